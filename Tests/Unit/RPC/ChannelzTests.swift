import TestCertificates
import Testing

@testable import RPC
@testable import Transport

@Suite("Channelz") struct ChannelzTests {
  private let channelz = Channelz()

  /// A server that is shown, and fails calls that say so.
  private func serve(_ body: (Loopback, ChannelzServerSnapshot) async throws -> Void) async throws {
    let channelz = channelz
    try await Loopback.with(limits: { $0.channelz = channelz }) { bytes, _ in
      if bytes == [0] { throw RPCError(.failedPrecondition, "no") }
      return bytes
    } _: { loopback in
      let server = try #require(await channelz.servers(from: 0, atMost: 1).items.first)
      try await body(loopback, server)
    }
  }

  @Test("a server counts the calls that it answers")
  func calls() async throws {
    try await serve { loopback, server in
      #expect(server.calls == CallCounts())
      for _ in 0..<3 { _ = try await loopback.call([1, 2]) }
      _ = await loopback.failure([0])
      let calls = try #require(await channelz.server(server.reference.id)).calls
      #expect(calls.started == 4)
      #expect(calls.succeeded == 3)
      #expect(calls.failed == 1)
      #expect(calls.lastStarted > 0)
    }
  }

  @Test("a connection tells its ends, its streams and its messages")
  func sockets() async throws {
    try await serve { loopback, server in
      for _ in 0..<3 { _ = try await loopback.call([1, 2]) }
      _ = await loopback.failure([0])
      let page = try #require(channelz.sockets(ofServer: server.reference.id, from: 0, atMost: 10))
      #expect(page.isEnd)
      let reference = try #require(page.items.first)
      let socket = try #require(await channelz.socket(reference.id)?.connection)
      #expect(page.items.count == 1)
      #expect(socket.isServer)
      #expect(socket.local == ConnectionAddress(bytes: [127, 0, 0, 1], port: loopback.port))
      #expect(reference.name == "127.0.0.1:\(socket.remote?.port ?? 0)")
      #expect(socket.counters.streamsStarted == 4)
      #expect(socket.counters.streamsSucceeded == 4)
      #expect(socket.counters.streamsFailed == 0)
      #expect(socket.counters.messagesReceived == 4)
      #expect(socket.counters.messagesSent == 3)
      #expect(socket.counters.lastMessageReceived > 0)
      #expect(socket.tlsVersion == nil)
      #expect(socket.localWindowBytes > 0)
    }
  }

  @Test("a connection with TLS tells its version and who is at the other end")
  func encrypted() async throws {
    let authority = try TestAuthority()
    let (walletFolder, wallet) = try TLSFolder.of("wallet", signedBy: authority)
    let (orderFolder, order) = try TLSFolder.of("order", signedBy: authority)
    let channelz = channelz
    try await Loopback.with(
      limits: {
        $0.tls = ServerTLS(wallet) { _, _ in }
        $0.channelz = channelz
      }, channel: RPCChannelConfiguration(tls: ClientTLS(order, server: .identity(.of("wallet"))))
    ) { loopback in
      _ = try await loopback.call([1])
      let server = try #require(await channelz.servers(from: 0, atMost: 1).items.first)
      let reference = try #require(
        channelz.sockets(ofServer: server.reference.id, from: 0, atMost: 1)?.items.first)
      let socket = try #require(await channelz.socket(reference.id)?.connection)
      #expect(socket.tlsVersion == "TLSv1.3")
      #expect(socket.peerIdentity?.spiffeID?.description == "spiffe://mobo/order")
    }
    withExtendedLifetime((walletFolder, orderFolder)) {}
  }

  @Test("a socket that listens has an address and no connection")
  func listener() async throws {
    try await serve { loopback, server in
      let reference = try #require(server.listeners.first)
      #expect(reference.name == "127.0.0.1:\(loopback.port)")
      let socket = try #require(await channelz.socket(reference.id))
      #expect(socket.connection == nil)
      #expect(socket.listening == ConnectionAddress(bytes: [127, 0, 0, 1], port: loopback.port))
      #expect(server.trace.events.map(\.description) == ["listening on 127.0.0.1:\(loopback.port)"])
    }
  }

  @Test("what is closed is forgotten")
  func forgotten() async throws {
    var ids: [Int64] = []
    try await serve { loopback, server in
      _ = try await loopback.call([1])
      let page = try #require(channelz.sockets(ofServer: server.reference.id, from: 0, atMost: 10))
      ids = [server.reference.id] + (page.items + server.listeners).map(\.id)
    }
    #expect(ids.count == 3)
    for id in ids {
      #expect(await channelz.server(id) == nil)
      #expect(await channelz.socket(id) == nil)
    }
  }

  @Test("lists come in pages, in the order of the ids")
  func pages() async {
    let records = (1...5).map { channelz.addServer("server \($0)") }
    let first = await channelz.servers(from: 0, atMost: 2)
    #expect(first.items.map(\.reference) == records[..<2].map(\.reference))
    #expect(!first.isEnd)
    let last = await channelz.servers(from: records[3].reference.id, atMost: 2)
    #expect(last.items.map(\.reference) == records[3...].map(\.reference))
    #expect(last.isEnd)
    #expect(await channelz.servers(from: records[4].reference.id + 1, atMost: 2).items.isEmpty)
    #expect(channelz.sockets(ofServer: 999, from: 0, atMost: 2) == nil)
  }

  @Test("a trace keeps the latest events and counts all of them")
  func trace() {
    let trace = ChannelzTrace()
    for number in 1...Limits.channelzEventsMax + 3 { trace.add("event \(number)") }
    let snapshot = trace.snapshot
    #expect(snapshot.eventsLogged == Int64(Limits.channelzEventsMax) + 3)
    #expect(snapshot.events.count == Limits.channelzEventsMax)
    #expect(snapshot.events.first?.description == "event 4")
  }

  @Test("a channel tells its state, and what is below it goes with it")
  func channels() async throws {
    let channel = channelz.addChannel("dns:///wallet")
    let subchannel = channel.addSubchannel("127.0.0.1:1")
    channel.connectivity(.connecting)
    channel.connectivity(.connecting)
    channel.connectivity(.transientFailure)
    let snapshot = try #require(await channelz.channel(channel.reference.id))
    #expect(snapshot.state == .transientFailure)
    #expect(snapshot.subchannels == [subchannel.reference])
    let events = snapshot.trace.events.map(\.description)
    #expect(events == ["subchannel to 127.0.0.1:1", "CONNECTING", "TRANSIENT_FAILURE"])
    #expect(await channelz.subchannel(subchannel.reference.id)?.target == "127.0.0.1:1")
    #expect(await channelz.channel(subchannel.reference.id) == nil)
    channel.remove()
    #expect(await channelz.subchannel(subchannel.reference.id) == nil)
    #expect(await channelz.channels(from: 0, atMost: 9).items.isEmpty)
  }
}
