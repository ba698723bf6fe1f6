import Dispatch
import Synchronization

/// Holds one of the hashing threads until the test lets it go on.
final class Gate: Sendable {
  private let arrived = Atomic(false)
  private let opened = DispatchSemaphore(value: 0)

  /// On the held thread.
  func pass() {
    arrived.store(true, ordering: .releasing)
    opened.wait()
  }

  var hasArrived: Bool { arrived.load(ordering: .acquiring) }

  func open() { opened.signal() }
}
