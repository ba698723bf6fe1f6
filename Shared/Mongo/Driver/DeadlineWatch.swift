import Kernel

/// Wakes callers whose deadline passes while their work sits in a queue or in a blocking call. One thread for the
/// process; an operation that finishes in time costs it nothing but two dictionary changes.
final class DeadlineWatch: @unchecked Sendable {
  // Unchecked: everything mutable is guarded by `monitor`.
  static let shared = DeadlineWatch()

  private struct Entry {
    let deadline: Deadline
    let expire: @Sendable () -> Void
  }

  private let monitor = Monitor()
  private var entries: [UInt64: Entry] = [:]
  private var nextID: UInt64 = 0
  /// What the thread sleeps towards.
  private var wakesAt: Deadline?
  private var isRunning = false

  /// Calls `expire` once, on the watch's thread, unless `forget` comes first.
  func watch(_ deadline: Deadline, _ expire: @escaping @Sendable () -> Void) -> UInt64 {
    monitor.locked {
      nextID += 1
      entries[nextID] = Entry(deadline: deadline, expire: expire)
      if !isRunning {
        isRunning = DedicatedThread.start { self.run() }
      } else if wakesAt.map({ deadline < $0 }) ?? true {
        monitor.signal()
      }
      return nextID
    }
  }

  func forget(_ id: UInt64) {
    monitor.locked { _ = entries.removeValue(forKey: id) }
  }

  /// For as long as the process lives.
  private func run() {
    while true {
      let expired = monitor.locked {
        wakesAt = entries.values.map(\.deadline).min()
        if wakesAt.map({ !$0.hasPassed }) ?? true { monitor.wait(atMost: wakesAt?.remaining) }
        let expired = entries.filter { $0.value.deadline.hasPassed }
        for id in expired.keys { entries[id] = nil }
        return expired.values
      }
      for entry in expired { entry.expire() }
    }
  }
}
