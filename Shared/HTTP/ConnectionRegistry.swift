import NIOCore
import Synchronization

/// Says to a connection that it should end as soon as it is between requests.
struct DrainRequest: Sendable {}

/// The open connections of one server.
final class ConnectionRegistry: Sendable {
  private struct State {
    /// Those that a drain has to end.
    var channels: [ObjectIdentifier: any Channel] = [:]
    var isDraining = false
  }

  private let state = Mutex(State())

  var isDraining: Bool { state.withLock { $0.isDraining } }

  /// Keeps the connection until it has closed; false when it must be closed at once.
  func add(_ channel: any Channel) -> Bool {
    let id = ObjectIdentifier(channel)
    let isAdded = state.withLock { state in
      guard !state.isDraining else { return false }
      state.channels[id] = channel
      return true
    }
    guard isAdded else { return false }
    channel.closeFuture.whenComplete { [weak self] _ in self?.state.withLock { $0.channels[id] = nil } }
    return true
  }

  /// Somebody else ends this connection.
  func release(_ channel: any Channel) {
    state.withLock { $0.channels[ObjectIdentifier(channel)] = nil }
  }

  /// Lets the connections finish their requests for `limit` at most; returns when all have closed.
  func drain(within limit: Duration) async {
    let channels = state.withLock { state in
      state.isDraining = true
      return Array(state.channels.values)
    }
    for channel in channels { channel.pipeline.fireUserInboundEventTriggered(DrainRequest()) }
    await withTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        for channel in channels { try? await channel.closeFuture.get() }
      }
      tasks.addTask {
        try? await Task.sleep(for: limit, clock: .continuous)
        // Completes the futures that the other task waits for; waiting for them does not notice cancellation.
        for channel in channels { channel.close(promise: nil) }
      }
      await tasks.next()
      tasks.cancelAll()
    }
  }
}
