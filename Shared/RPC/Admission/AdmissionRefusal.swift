internal import Kernel

/// Why a call was not admitted.
public enum AdmissionRefusal: Int, CaseIterable, Sendable {
  /// As many calls run as may, and so many wait that its turn would not come in time.
  case queueFull
  /// It waited for its turn, in vain.
  case waitedTooLong
  /// Its deadline leaves less time than such a call takes.
  case deadlineTooShort
  /// It was read long ago: the handlers of other calls keep its event loop from coming to it.
  case loopBehind
  /// It would have to wait, and too many calls of its connection do already.
  case connectionFull

  /// The value of the metrics' label `reason`.
  public var reason: String {
    switch self {
    case .queueFull: "queue_full"
    case .waitedTooLong: "waited_too_long"
    case .deadlineTooShort: "deadline_too_short"
    case .loopBehind: "loop_behind"
    case .connectionFull: "connection_full"
    }
  }

  private var message: String {
    switch self {
    case .queueFull, .waitedTooLong, .loopBehind, .connectionFull: "the service is overloaded"
    case .deadlineTooShort: "the deadline leaves less time than the call takes now"
    }
  }

  /// The status of the refusal. It names a pause after which an attempt makes sense: to this server, as another one
  /// may be tried at once. Pauses differ at random, so that the refused do not come back together.
  ///
  /// - Parameter pause: the least; the answer's is up to twice as long.
  func error(pause: Duration) -> RPCError {
    let wanted = pause * Double.random(in: 1..<2)
    let place = AdmissionRefusal.pauses.firstIndex { $0 >= wanted } ?? AdmissionRefusal.pauses.count - 1
    return AdmissionRefusal.errors[rawValue * AdmissionRefusal.pauses.count + place]
  }

  private static let pauses = [
    50, 70, 100, 140, 200, 280, 400, 560, 800, 1_100, 1_600, 2_200, 3_200, 4_500,
  ].map { Duration.milliseconds($0) }

  /// Made once: a process that refuses calls has no time to spare.
  private static let errors = allCases.flatMap { refusal in
    pauses.map { pause in
      var error = RPCError(Failure(.serviceUnavailable, refusal.message, retryAfter: pause))
      error.pushback = .after(pause)
      return error
    }
  }
}
