internal import Synchronization
internal import Transport

// What a registry keeps. A record is forgotten when its owner says so, or when nobody holds its token any more.

/// Keeps a record as long as it lives.
final class ChannelzToken: Sendable {
  private let forget: @Sendable () -> Void

  init(_ forget: @escaping @Sendable () -> Void) {
    self.forget = forget
  }

  deinit { forget() }
}

/// A server, with its connections and its listening sockets.
final class ServerRecord: Sendable {
  let reference: ChannelzReference
  let trace = ChannelzTrace()
  let calls = CallCounters()
  private let registry: Channelz
  private let connections = Mutex<[Int64: ChannelzReference]>([:])
  private let listeners = Mutex<[Int64: ChannelzReference]>([:])

  init(_ reference: ChannelzReference, _ registry: Channelz) {
    self.reference = reference
    self.registry = registry
  }

  var sockets: [Int64: ChannelzReference] { connections.withLock { $0 } }

  func listens(host: String, port: Int) {
    let name = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    let socket = registry.addSocket(name, .listener(ConnectionAddress(host: host, port: port))).reference
    listeners.withLock { $0[socket.id] = socket }
    trace.add("listening on \(name)")
  }

  /// Shows the connection until the token is given up.
  func add(_ connection: HTTP2Connection) -> ChannelzToken {
    let socket = registry.addSocket(connection.peer, .connection(connection)).reference
    connections.withLock { $0[socket.id] = socket }
    return ChannelzToken { [self] in
      connections.withLock { $0[socket.id] = nil }
      registry.remove(socket.id)
    }
  }

  /// The server is gone, and its listening sockets with it.
  func remove() {
    for id in listeners.withLock({ Array($0.keys) }) { registry.remove(id) }
    registry.remove(reference.id)
  }

  func snapshot() async -> ChannelzServerSnapshot {
    ChannelzServerSnapshot(
      reference: reference, calls: await calls.snapshot(), trace: trace.snapshot,
      listeners: listeners.withLock { $0.values.sorted { $0.id < $1.id } })
  }
}

/// A channel or a subchannel, with what is below it.
final class ChannelRecord: Sendable {
  private struct State {
    var connectivity = ConnectivityState.idle
    var subchannels: [Int64: ChannelzReference] = [:]
    var sockets: [Int64: ChannelzReference] = [:]
  }

  let reference: ChannelzReference
  let trace = ChannelzTrace()
  let calls = CallCounters()
  private let target: String
  private let registry: Channelz
  private let state = Mutex(State())

  init(_ reference: ChannelzReference, _ target: String, _ registry: Channelz) {
    self.reference = reference
    self.target = target
    self.registry = registry
  }

  func connectivity(_ new: ConnectivityState) {
    let isNews = state.withLock { state in
      defer { state.connectivity = new }
      return state.connectivity != new
    }
    if isNews { trace.add("\(new)", new == .transientFailure ? .warning : .info) }
  }

  /// One address of the channel. To be removed with `remove(subchannel:)`.
  func addSubchannel(_ address: String) -> ChannelRecord {
    let child = registry.addSubchannel(address)
    state.withLock { $0.subchannels[child.reference.id] = child.reference }
    trace.add("subchannel to \(address)", subchannel: child.reference)
    return child
  }

  func remove(subchannel: ChannelRecord) {
    state.withLock { $0.subchannels[subchannel.reference.id] = nil }
    registry.remove(subchannel.reference.id)
    trace.add("subchannel removed", subchannel: subchannel.reference)
  }

  /// Shows the connection until the token is given up.
  func add(_ connection: HTTP2Connection) -> ChannelzToken {
    let socket = registry.addSocket(connection.peer, .connection(connection)).reference
    state.withLock { $0.sockets[socket.id] = socket }
    return ChannelzToken { [self] in
      state.withLock { $0.sockets[socket.id] = nil }
      registry.remove(socket.id)
    }
  }

  /// The channel is closed, and everything below it.
  func remove() {
    for id in state.withLock({ Array($0.subchannels.keys) }) { registry.remove(id) }
    registry.remove(reference.id)
  }

  func snapshot() async -> ChannelzChannelSnapshot {
    let (connectivity, subchannels, sockets) = state.withLock { state in
      (
        state.connectivity, state.subchannels.values.sorted { $0.id < $1.id },
        state.sockets.values.sorted { $0.id < $1.id }
      )
    }
    return ChannelzChannelSnapshot(
      reference: reference, target: target, state: connectivity, calls: await calls.snapshot(),
      trace: trace.snapshot, subchannels: subchannels, sockets: sockets)
  }
}

/// A connection, or a socket that listens.
final class SocketRecord: Sendable {
  enum Kind: Sendable {
    case listener(ConnectionAddress?)
    case connection(HTTP2Connection)
  }

  let reference: ChannelzReference
  private let kind: Kind

  init(_ reference: ChannelzReference, _ kind: Kind) {
    self.reference = reference
    self.kind = kind
  }

  /// Nil once the connection has closed.
  func snapshot() async -> ChannelzSocketSnapshot? {
    switch kind {
    case .listener(let address):
      return ChannelzSocketSnapshot(reference: reference, connection: nil, listening: address)
    case .connection(let connection):
      guard let snapshot = await connection.snapshot() else { return nil }
      return ChannelzSocketSnapshot(reference: reference, connection: snapshot, listening: nil)
    }
  }
}
