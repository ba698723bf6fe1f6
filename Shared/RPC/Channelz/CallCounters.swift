internal import NIOCore
internal import Synchronization

/// Calls of a server, a channel or a subchannel.
public struct CallCounts: Hashable, Sendable {
  public internal(set) var started: Int64 = 0
  /// Ended with the status OK.
  public internal(set) var succeeded: Int64 = 0
  /// Ended with any other status, or by the caller.
  public internal(set) var failed: Int64 = 0
  /// Wall-clock time in milliseconds since 1970; 0 means never.
  public internal(set) var lastStarted: Int64 = 0

  public init() {}

  static func + (left: CallCounts, right: CallCounts) -> CallCounts {
    var sum = left
    sum.started += right.started
    sum.succeeded += right.succeeded
    sum.failed += right.failed
    sum.lastStarted = max(left.lastStarted, right.lastStarted)
    return sum
  }
}

/// The counts of the calls that run on one event loop: no call waits for a lock to be counted.
final class LoopCallCounts: @unchecked Sendable {  // `value` is touched on `eventLoop` only.
  @exclusivity(unchecked) private var value = CallCounts()
  private let eventLoop: any EventLoop

  init(_ eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
  }

  func began(at milliseconds: Int64) {
    value.started &+= 1
    value.lastStarted = milliseconds
  }

  func ended(ok: Bool) {
    if ok { value.succeeded &+= 1 } else { value.failed &+= 1 }
  }

  /// Asks the event loop; what a loop that has ended counted is lost.
  fileprivate func snapshot() async -> CallCounts {
    (try? await eventLoop.submit { self.value }.get()) ?? CallCounts()
  }
}

/// Counts calls on whatever event loops they run.
final class CallCounters: Sendable {
  private let loops = Mutex<[ObjectIdentifier: LoopCallCounts]>([:])

  /// The counts of one loop; to be kept by whoever counts there.
  func counts(on eventLoop: any EventLoop) -> LoopCallCounts {
    loops.withLock { loops in
      if let counts = loops[ObjectIdentifier(eventLoop)] { return counts }
      let counts = LoopCallCounts(eventLoop)
      loops[ObjectIdentifier(eventLoop)] = counts
      return counts
    }
  }

  func snapshot() async -> CallCounts {
    var sum = CallCounts()
    for counts in loops.withLock({ Array($0.values) }) { sum = sum + (await counts.snapshot()) }
    return sum
  }
}
