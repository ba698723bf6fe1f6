internal import Synchronization
internal import Transport

/// The servers, channels and connections of a process, for those who look into it (`grpc.channelz.v1`).
///
/// Give one to every server and channel of the process. It holds what is alive, and only that. Counting costs the
/// calls a few nanoseconds and no lock; whoever looks asks the event loops.
public final class Channelz: Sendable {
  private struct State {
    var lastID: Int64 = 0
    var servers: [Int64: ServerRecord] = [:]
    var channels: [Int64: ChannelRecord] = [:]
    var subchannels: [Int64: ChannelRecord] = [:]
    var sockets: [Int64: SocketRecord] = [:]
  }

  private let state = Mutex(State())

  public init() {}

  // MARK: Keeping

  func addServer(_ name: String) -> ServerRecord {
    state.withLock { state in
      let record = ServerRecord(ChannelzReference(id: Self.next(&state), name: name), self)
      state.servers[record.reference.id] = record
      return record
    }
  }

  func addChannel(_ target: String) -> ChannelRecord {
    state.withLock { state in
      let record = ChannelRecord(ChannelzReference(id: Self.next(&state), name: target), target, self)
      state.channels[record.reference.id] = record
      return record
    }
  }

  func addSubchannel(_ address: String) -> ChannelRecord {
    state.withLock { state in
      let record = ChannelRecord(ChannelzReference(id: Self.next(&state), name: address), address, self)
      state.subchannels[record.reference.id] = record
      return record
    }
  }

  func addSocket(_ name: String, _ kind: SocketRecord.Kind) -> SocketRecord {
    state.withLock { state in
      let record = SocketRecord(ChannelzReference(id: Self.next(&state), name: name), kind)
      state.sockets[record.reference.id] = record
      return record
    }
  }

  /// Forgets whatever has this id.
  func remove(_ id: Int64) {
    state.withLock { state in
      state.servers[id] = nil
      state.channels[id] = nil
      state.subchannels[id] = nil
      state.sockets[id] = nil
    }
  }

  private static func next(_ state: inout State) -> Int64 {
    state.lastID += 1
    return state.lastID
  }

  // MARK: Looking

  /// - Parameters:
  ///   - start: only ids from here on.
  ///   - limit: how many at most.
  public func servers(from start: Int64, atMost limit: Int) async -> ChannelzPage<ChannelzServerSnapshot> {
    let page = Self.page(state.withLock { $0.servers }, from: start, atMost: limit)
    var items: [ChannelzServerSnapshot] = []
    for record in page.items { items.append(await record.snapshot()) }
    return ChannelzPage(items: items, isEnd: page.isEnd)
  }

  /// Nil for an id that is no server's.
  public func server(_ id: Int64) async -> ChannelzServerSnapshot? {
    await state.withLock { $0.servers[id] }?.snapshot()
  }

  /// The connections of a server; nil for an id that is no server's.
  public func sockets(
    ofServer id: Int64, from start: Int64, atMost limit: Int
  ) -> ChannelzPage<ChannelzReference>? {
    guard let server = state.withLock({ $0.servers[id] }) else { return nil }
    return Self.page(server.sockets, from: start, atMost: limit)
  }

  /// The channels that the application made.
  public func channels(from start: Int64, atMost limit: Int) async -> ChannelzPage<ChannelzChannelSnapshot> {
    let page = Self.page(state.withLock { $0.channels }, from: start, atMost: limit)
    var items: [ChannelzChannelSnapshot] = []
    for record in page.items { items.append(await record.snapshot()) }
    return ChannelzPage(items: items, isEnd: page.isEnd)
  }

  /// Nil for an id that is no channel's.
  public func channel(_ id: Int64) async -> ChannelzChannelSnapshot? {
    await state.withLock { $0.channels[id] }?.snapshot()
  }

  /// Nil for an id that is no subchannel's.
  public func subchannel(_ id: Int64) async -> ChannelzChannelSnapshot? {
    await state.withLock { $0.subchannels[id] }?.snapshot()
  }

  /// Nil for an id that is no socket's, or whose socket has closed.
  public func socket(_ id: Int64) async -> ChannelzSocketSnapshot? {
    await state.withLock { $0.sockets[id] }?.snapshot()
  }

  private static func page<Item: Sendable>(
    _ items: [Int64: Item], from start: Int64, atMost limit: Int
  ) -> ChannelzPage<Item> {
    let ids = items.keys.filter { $0 >= start }.sorted()
    return ChannelzPage(items: ids.prefix(limit).compactMap { items[$0] }, isEnd: ids.count <= limit)
  }
}
