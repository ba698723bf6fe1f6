/// How urgent a method is when not all calls can be answered.
public enum AdmissionLane: String, CaseIterable, Sendable {
  /// Calls between services, above all those that move money: they finish work that has begun.
  case critical
  /// What changes something, and what nobody can do without (signing in).
  case normal
  /// What only reads: lists, reports, the questions of tools.
  case background
}

extension AdmissionLane {
  /// The lane of a method by what its proto says; nil for health checks, which are always answered.
  init?(_ method: MethodDescriptor) {
    guard !method.service.hasPrefix("grpc.health.") else { return nil }
    if method.service.hasPrefix("grpc.") {
      self = .background
    } else if method.isInternal {
      self = .critical
    } else if method.rules.mutating || method.rules.isPublic || method.rules == .closed {
      self = .normal
    } else {
      self = .background
    }
  }

  /// How many times its undisturbed latency a call may take before its group counts as congested. Where several
  /// groups wait for the same thing, those of the lower lanes give way first.
  var tolerance: Double {
    switch self {
    case .critical: 2.5
    case .normal: 1.75
    case .background: 1.25
    }
  }

  /// Latency that is no congestion whatever the undisturbed one is: below it a longer queue harms nobody, and the
  /// noise of a busy machine is not taken for one.
  var latencyAccepted: Duration {
    switch self {
    case .critical: .milliseconds(100)
    case .normal: .milliseconds(50)
    case .background: .milliseconds(30)
    }
  }

  /// How late an event loop that has fallen behind may come to a call before the call is refused.
  var lagAccepted: Duration {
    switch self {
    case .critical: .milliseconds(200)
    case .normal: .milliseconds(100)
    case .background: .milliseconds(50)
    }
  }

  /// How much of the process's running handlers the limits of this lane and those below it may come to, together.
  var share: Double {
    switch self {
    case .critical: 1
    case .normal: 0.8
    case .background: 0.5
    }
  }
}
