import NIOCore
import NIOEmbedded
import Testing

@testable import HTTP2
@testable import Transport

@Suite("Keepalive")
struct KeepaliveTests {
  private static let start = NIODeadline.uptimeNanoseconds(1)
  private static let standard = KeepaliveConfiguration(time: .seconds(60), timeout: .seconds(20))

  private func at(_ seconds: Int64) -> NIODeadline { KeepaliveTests.start + .seconds(seconds) }

  @Test("a busy connection is asked after the silence, not before, and once")
  func asks() {
    var keepalive = Keepalive(KeepaliveTests.standard, now: at(0))
    #expect(keepalive.look(now: at(59), hasRead: false, isBusy: true) == .none)
    #expect(keepalive.look(now: at(60), hasRead: false, isBusy: true) == .ping)
    #expect(keepalive.look(now: at(61), hasRead: false, isBusy: true) == .none)
  }

  @Test("whoever stays silent after the question is given up", arguments: [19, 20] as [Int64])
  func givesUp(seconds: Int64) {
    var keepalive = Keepalive(KeepaliveTests.standard, now: at(0))
    #expect(keepalive.look(now: at(60), hasRead: false, isBusy: true) == .ping)
    let action = keepalive.look(now: at(60 + seconds), hasRead: false, isBusy: true)
    #expect(action == (seconds == 20 ? .giveUp : .none))
  }

  @Test("any byte is a sign of life, and the silence begins anew")
  func anyByte() {
    var keepalive = Keepalive(KeepaliveTests.standard, now: at(0))
    #expect(keepalive.look(now: at(60), hasRead: false, isBusy: true) == .ping)
    #expect(keepalive.look(now: at(79), hasRead: true, isBusy: true) == .none)
    #expect(keepalive.look(now: at(138), hasRead: false, isBusy: true) == .none)
    #expect(keepalive.look(now: at(139), hasRead: false, isBusy: true) == .ping)
  }

  @Test("without calls nobody is asked, unless that is permitted", arguments: [false, true])
  func withoutCalls(permits: Bool) {
    var configuration = KeepaliveTests.standard
    configuration.permitsWithoutCalls = permits
    var keepalive = Keepalive(configuration, now: at(0))
    #expect(keepalive.look(now: at(100), hasRead: false, isBusy: false) == (permits ? .ping : .none))
  }

  @Test("silence before the first call does not count")
  func firstCall() {
    var keepalive = Keepalive(KeepaliveTests.standard, now: at(0))
    #expect(keepalive.look(now: at(100), hasRead: false, isBusy: false) == .none)
    #expect(keepalive.look(now: at(101), hasRead: false, isBusy: true) == .none)
    #expect(keepalive.look(now: at(160), hasRead: false, isBusy: true) == .ping)
  }

  // Goal: gRPC's rule on both sides of each bound. Method: the intervals between the pings of one client.
  @Test(
    "early pings are strikes, of which two are borne",
    arguments: [
      ([0, 1, 2], true), ([0, 1, 2, 3], false), ([0, 300, 600, 900, 1_200], true), ([0, 299, 598, 897], false),
      ([0, 1, 301, 302, 602, 603], false),
    ] as [([Int64], Bool)])
  func strikes(times: [Int64], isBorne: Bool) {
    var strikes = PingStrikes()
    let verdicts = times.map {
      strikes.mayPing(now: at($0), hasSent: false, isBusy: true, PingPolicy())
    }
    #expect(!verdicts.contains(false) == isBorne)
    #expect(!verdicts.dropLast().contains(false))
  }

  @Test("without calls the interval is two hours, unless pings are permitted then", arguments: [false, true])
  func strikesWithoutCalls(permits: Bool) {
    var strikes = PingStrikes()
    let policy = PingPolicy(permitsWithoutCalls: permits)
    let verdicts = [0, 400, 800, 1_200].map {
      strikes.mayPing(now: at($0), hasSent: false, isBusy: false, policy)
    }
    #expect(verdicts == [true, true, true, permits])
  }

  @Test("an answer in between takes all strikes back")
  func answered() {
    var strikes = PingStrikes()
    let verdicts = (0..<12).map { second in
      strikes.mayPing(now: at(Int64(second)), hasSent: second % 3 == 2, isBusy: true, PingPolicy())
    }
    #expect(!verdicts.contains(false))
  }

  // MARK: On a connection

  private func client(_ keepalive: KeepaliveConfiguration) throws -> EmbeddedConnection {
    var configuration = ConnectionConfiguration(idleTimeout: nil)
    configuration.keepalive = keepalive
    let embedded = try EmbeddedConnection(client: configuration)
    try embedded.send(EmbeddedConnection.settings, EmbeddedConnection.acknowledged)
    return embedded
  }

  private final class Silent: StreamHandler {
    private(set) var closure: StreamClosure?

    func received(headers: HeaderList, isEnd: Bool) {}
    func receivedOversizedHeaders(isEnd: Bool) {}
    func received(data bytes: RawSpan, isEnd: Bool) {}
    func received(trailers: HeaderList) {}
    func closed(_ reason: StreamClosure) { closure = reason }
  }

  @Test("a client's call ends when its server is gone without a word")
  func deadServer() throws {
    let embedded = try client(KeepaliveTests.standard)
    let call = Silent()
    _ = try embedded.connection.open(RawClient.headers(), body: [], handler: call)
    _ = try embedded.frames()
    embedded.advance(.seconds(62))
    #expect(try embedded.frames(RawFrame.ping).count == 1)
    embedded.advance(.seconds(18))
    #expect(embedded.isOpen)
    embedded.advance(.seconds(3))
    #expect(!embedded.isOpen)
    #expect(call.closure == .connectionLost)
  }

  @Test("a server that answers the ping keeps the connection")
  func liveServer() throws {
    let embedded = try client(KeepaliveTests.standard)
    let call = Silent()
    _ = try embedded.connection.open(RawClient.headers(), body: [], handler: call)
    _ = try embedded.frames()
    for _ in 0..<5 {
      embedded.advance(.seconds(62))
      let ping = try #require(try embedded.frames(RawFrame.ping).first)
      try embedded.send(EmbeddedConnection.pong(ping))
    }
    #expect(embedded.isOpen)
    #expect(call.closure == nil)
  }

  @Test("a client without calls sends no pings, and with permission it does", arguments: [false, true])
  func idleClient(permits: Bool) throws {
    let embedded = try client(KeepaliveConfiguration(time: .seconds(60), permitsWithoutCalls: permits))
    _ = try embedded.frames()
    embedded.advance(.seconds(62))
    #expect(try embedded.frames(RawFrame.ping).count == (permits ? 1 : 0))
  }

  @Test("a server asks its clients too")
  func serverAsks() throws {
    var configuration = ConnectionConfiguration(idleTimeout: nil)
    configuration.keepalive = KeepaliveConfiguration(time: .hours(2), permitsWithoutCalls: true)
    let embedded = try EmbeddedConnection(server: configuration)
    try embedded.send(EmbeddedConnection.greeting)
    _ = try embedded.frames()
    embedded.advance(.hours(2) + .seconds(1))
    #expect(try embedded.frames(RawFrame.ping).count == 1)
    embedded.advance(.seconds(21))
    #expect(!embedded.isOpen)
  }

  @Test("the client that pings too often is told so and loses the connection")
  func tooManyPings() throws {
    var configuration = ConnectionConfiguration()
    configuration.pingPolicy = PingPolicy()
    let embedded = try EmbeddedConnection(server: configuration)
    try embedded.send(EmbeddedConnection.greeting, EmbeddedConnection.request(1))
    _ = try embedded.frames()
    for _ in 0..<3 { try embedded.send(EmbeddedConnection.ping) }
    #expect(try embedded.frames(RawFrame.ping).count == 3)
    #expect(embedded.isOpen)
    try embedded.send(EmbeddedConnection.ping)
    let goAway = try #require(try embedded.frames(RawFrame.goAway).last)
    #expect(goAway.code == .enhanceYourCalm)
    #expect(goAway.debugText == "too_many_pings")
    #expect(!embedded.isOpen)
  }

  @Test("without a policy pings are answered as they come")
  func noPolicy() throws {
    let embedded = try EmbeddedConnection(server: ConnectionConfiguration())
    try embedded.send(EmbeddedConnection.greeting)
    _ = try embedded.frames()
    for _ in 0..<100 { try embedded.send(EmbeddedConnection.ping) }
    #expect(try embedded.frames(RawFrame.ping).count == 100)
    #expect(embedded.isOpen)
  }
}
