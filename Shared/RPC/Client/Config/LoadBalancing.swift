/// How a channel spreads its calls over the addresses of its target.
public struct LoadBalancing: Hashable, Sendable {
  public enum Policy: Hashable, Sendable {
    /// All calls to the first address that can be reached. With `shuffles` the addresses are tried in random order, so
    /// that many clients spread over them.
    case pickFirst(shuffles: Bool = false)
    /// The addresses in turn.
    case roundRobin
    /// Of so many random addresses, 2 to 10, the one with the fewest calls under way (gRFC A48).
    case leastRequest(choices: Int = 2)
  }

  public var policy: Policy
  /// Leaves out addresses that fail more than others. Nil uses every address that can be reached; `pickFirst` has no
  /// use for it.
  public var outlierDetection: OutlierDetection?

  public init(_ policy: Policy, outlierDetection: OutlierDetection? = nil) {
    self.policy = policy
    self.outlierDetection = outlierDetection
  }

  /// Nil for a policy that has no use for it: whom would the only address be compared with?
  var effectiveOutlierDetection: OutlierDetection? {
    if case .pickFirst = policy { nil } else { outlierDetection }
  }

  public static let pickFirst = LoadBalancing(.pickFirst())
  public static let roundRobin = LoadBalancing(.roundRobin)
  public static let leastRequest = LoadBalancing(.leastRequest())
}

/// When an address counts as worse than its neighbours and gets no calls for a while (gRFC A50).
///
/// A call counts against its address if it ends with UNAVAILABLE, DEADLINE_EXCEEDED, INTERNAL, UNKNOWN, DATA_LOSS or
/// RESOURCE_EXHAUSTED: what a service refuses by its rules says nothing about the host that said so.
public struct OutlierDetection: Hashable, Sendable {
  /// By comparison with the others: below the mean rate of success by `deviations` standard deviations.
  public struct SuccessRate: Hashable, Sendable {
    /// In thousandths: 1900 means 1.9 standard deviations.
    public var deviationMilli: Int
    /// How many of the hundred that meet the rule are ejected.
    public var enforcementPercent: Int
    /// At least so many addresses with enough calls, or nobody is compared.
    public var hostsMin: Int
    /// At least so many calls in the interval, or the address is not compared.
    public var callsMin: Int

    public init(deviationMilli: Int = 1_900, enforcementPercent: Int = 100, hostsMin: Int = 5, callsMin: Int = 100) {
      self.deviationMilli = deviationMilli
      self.enforcementPercent = enforcementPercent
      self.hostsMin = hostsMin
      self.callsMin = callsMin
    }
  }

  /// By itself: more than `thresholdPercent` of its calls failed.
  public struct FailurePercentage: Hashable, Sendable {
    public var thresholdPercent: Int
    public var enforcementPercent: Int
    public var hostsMin: Int
    public var callsMin: Int

    public init(thresholdPercent: Int = 85, enforcementPercent: Int = 100, hostsMin: Int = 5, callsMin: Int = 50) {
      self.thresholdPercent = thresholdPercent
      self.enforcementPercent = enforcementPercent
      self.hostsMin = hostsMin
      self.callsMin = callsMin
    }
  }

  /// How often the addresses are compared.
  public var interval: Duration
  /// How long the first ejection lasts; each further one by as much longer.
  public var baseEjectionTime: Duration
  public var maxEjectionTime: Duration
  /// While so many of a hundred addresses are ejected, no further one is.
  public var maxEjectionPercent: Int
  public var successRate: SuccessRate?
  public var failurePercentage: FailurePercentage?

  public init(
    interval: Duration = .seconds(10), baseEjectionTime: Duration = .seconds(30),
    maxEjectionTime: Duration = .seconds(300), maxEjectionPercent: Int = 10, successRate: SuccessRate? = nil,
    failurePercentage: FailurePercentage? = nil
  ) {
    self.interval = interval
    self.baseEjectionTime = baseEjectionTime
    self.maxEjectionTime = maxEjectionTime
    self.maxEjectionPercent = maxEjectionPercent
    self.successRate = successRate
    self.failurePercentage = failurePercentage
  }
}
