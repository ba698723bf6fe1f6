internal import NIOCore
internal import Synchronization

/// The HTTP/2 connections that a server has open, so that it can end them in order.
public final class ServerConnections: Sendable {
  private struct State {
    var connections: [ObjectIdentifier: HTTP2Connection] = [:]
    var isDraining = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())
  private let member = Member()

  public init() {
    member.owner = self
  }

  public var count: Int { state.withLock { $0.connections.count } }

  /// Keeps the connection until it has closed. To be called on its event loop.
  public func add(_ connection: HTTP2Connection) {
    let isDraining = state.withLock { state in
      state.connections[ObjectIdentifier(connection)] = connection
      return state.isDraining
    }
    connection.belong(to: member)
    if isDraining { connection.drain() }
  }

  /// Lets the peers finish what they have begun, for `limit` at most; returns when every connection has closed.
  public func drain(within limit: Duration) async {
    let connections = state.withLock { state in
      state.isDraining = true
      return Array(state.connections.values)
    }
    for connection in connections { connection.executor.eventLoop.execute { connection.drain() } }
    await withTaskGroup { group in
      group.addTask { await self.allClosed() }
      group.addTask {
        do { try await Task.sleep(for: limit) } catch { return }  // Cancelled: all have closed.
        self.closeAll()
        await self.allClosed()
      }
      await group.next()
      group.cancelAll()
    }
  }

  private func closeAll() {
    let connections = state.withLock { Array($0.connections.values) }
    for connection in connections { connection.executor.eventLoop.execute { connection.close() } }
  }

  private func allClosed() async {
    await withCheckedContinuation { continuation in
      let isEmpty = state.withLock { state in
        if !state.connections.isEmpty { state.waiters.append(continuation) }
        return state.connections.isEmpty
      }
      if isEmpty { continuation.resume() }
    }
  }

  fileprivate func remove(_ connection: HTTP2Connection) {
    let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
      state.connections[ObjectIdentifier(connection)] = nil
      guard state.connections.isEmpty else { return [] }
      defer { state.waiters.removeAll() }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  /// A server only wants to know of the end. All its connections tell the same one.
  private final class Member: ConnectionOwner, @unchecked Sendable {  // Written once, while `ServerConnections` begins.
    weak var owner: ServerConnections?

    func settingsChanged(_ connection: HTTP2Connection) {}
    func streamClosed(_ connection: HTTP2Connection) {}
    func goingAway(_ connection: HTTP2Connection) {}
    func closed(_ connection: HTTP2Connection) { owner?.remove(connection) }
  }
}
