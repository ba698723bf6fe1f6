import Config
import Synchronization

/// What other replicas of the service call to reach this one: ADVERTISED_TARGET, or the address that is listened on.
public final class ReplicaAddress: Sendable {
  private let text: Mutex<String>
  private let isFixed: Bool

  init(_ settings: CommonSettings) {
    isFixed = settings.advertisedTarget != nil
    text = Mutex(settings.advertisedTarget ?? "\(settings.bindAddress):\(settings.grpcPort)")
  }

  /// Of a port that was free for the choosing, only the listener knows which it is.
  func isReached(at address: String) {
    if !isFixed { text.withLock { $0 = address } }
  }

  public var target: String { text.withLock { $0 } }
}
