import Foundation
import NIOCore
import NIOPosix
import Synchronization
import TestCertificates
import Testing

@testable import RPC
@testable import Transport

@Suite("Calls over TLS")
struct TLSCallTests {
  /// Who connected, and who was turned away.
  final class Observed: Sendable {
    private let peers = Mutex<[ConnectionPeer]>([])
    private let reasons = Mutex<[String]>([])
    let refusal = Event()

    func called(by peer: ConnectionPeer) { peers.withLock { $0.append(peer) } }
    func refused(_ reason: String) {
      reasons.withLock { $0.append(reason) }
      refusal.happen()
    }

    var callers: [String?] { peers.withLock { $0.map { $0.identity?.spiffeID?.description } } }
    /// How many connections the calls came over.
    var connections: Int { peers.withLock { Set($0.map { ObjectIdentifier($0) }).count } }
    var refusals: [String] { reasons.withLock { $0 } }
  }

  /// A server with these credentials and a channel with those.
  static func with(
    server: TLSCredentials?, client: ClientTLS?, _ body: (Loopback, Observed) async throws -> Void
  ) async throws {
    let observed = Observed()
    try await Loopback.with(
      limits: { $0.tls = server.map { ServerTLS($0) { _, reason in observed.refused(reason) } } },
      channel: RPCChannelConfiguration(tls: client),
      answer: { bytes, context in
        observed.called(by: context.remote)
        return bytes
      }
    ) { try await body($0, observed) }
  }

  @Test("both ends prove who they are, and the handler sees who calls")
  func mutual() async throws {
    let authority = try TestAuthority()
    let (walletFolder, wallet) = try TLSFolder.of("wallet", signedBy: authority)
    let (orderFolder, order) = try TLSFolder.of("order", signedBy: authority)
    try await Self.with(server: wallet, client: ClientTLS(order, server: .identity(.of("wallet")))) { loopback, seen in
      let large = [UInt8](repeating: 7, count: 3 << 20)
      #expect(try await loopback.call([1, 2, 3]) == [1, 2, 3])
      #expect(try await loopback.call(large) == large)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<100 {
          group.addTask {
            let answer = try await loopback.call([UInt8(number)])
            #expect(answer == [UInt8(number)])
          }
        }
        try await group.waitForAll()
      }
      #expect(Set(seen.callers) == ["spiffe://mobo/order"])
      #expect(seen.connections == 1)
      #expect(wallet.statistics.handshakes == 1 && order.statistics.handshakes == 1)
    }
    withExtendedLifetime((walletFolder, orderFolder)) {}
  }

  @Test("a server with a good certificate of another service is refused")
  func otherService() async throws {
    let authority = try TestAuthority()
    let (_, audit) = try TLSFolder.of("audit", signedBy: authority)
    let (_, order) = try TLSFolder.of("order", signedBy: authority)
    try await Self.with(server: audit, client: ClientTLS(order, server: .identity(.of("wallet")))) { loopback, seen in
      let error = await loopback.failure()
      #expect(error?.code == .unavailable)
      #expect(error?.message.contains("must be spiffe://mobo/wallet") == true)
      #expect(seen.callers.isEmpty)
    }
  }

  @Test("a certificate of an authority that is not trusted is refused by whoever sees it", arguments: [true, false])
  func foreignAuthority(serverIsForeign: Bool) async throws {
    let (authority, foreign) = (try TestAuthority(), try TestAuthority())
    let (_, wallet) = try TLSFolder.of("wallet", signedBy: serverIsForeign ? foreign : authority, trusting: authority)
    let (_, order) = try TLSFolder.of("order", signedBy: serverIsForeign ? authority : foreign, trusting: authority)
    try await Self.with(server: wallet, client: ClientTLS(order, server: .identity(.of("wallet")))) { loopback, seen in
      #expect(await loopback.failure()?.code == .unavailable)
      await seen.refusal.wait()
      #expect(seen.callers.isEmpty)
      #expect(wallet.statistics.handshakes == 0 && wallet.statistics.failedHandshakes > 0)
    }
  }

  @Test("a client without a certificate is refused by a server that has authorities")
  func noCertificate() async throws {
    let authority = try TestAuthority()
    let (folder, wallet) = try TLSFolder.of("wallet", signedBy: authority)
    let bare = try TLSCredentials(TLSFiles(certificate: nil, key: nil, authorities: folder.files.authorities))
    try await Self.with(server: wallet, client: ClientTLS(bare, server: .identity(.of("wallet")))) { loopback, seen in
      #expect(await loopback.failure()?.code == .unavailable)
      await seen.refusal.wait()
      #expect(seen.callers.isEmpty)
    }
  }

  @Test("a server without authorities takes every client and knows none")
  func oneSided() async throws {
    let authority = try TestAuthority()
    let (folder, _) = try TLSFolder.of("wallet", signedBy: authority, dnsNames: ["localhost"])
    let server = try TLSCredentials(
      TLSFiles(certificate: folder.files.certificate, key: folder.files.key, authorities: nil))
    let client = try TLSCredentials(TLSFiles(certificate: nil, key: nil, authorities: folder.files.authorities))
    try await Self.with(server: server, client: ClientTLS(client, server: .host("localhost"))) { loopback, seen in
      let answer = try await loopback.call([1])
      #expect(answer == [1])
      #expect(seen.callers == [nil])
    }
  }

  @Test("a host's certificate must name the host", arguments: [("localhost", true), ("wallet", false)])
  func hosts(name: String, accepted: Bool) async throws {
    let authority = try TestAuthority()
    let (_, wallet) = try TLSFolder.of("wallet", signedBy: authority, dnsNames: ["localhost"])
    let (_, order) = try TLSFolder.of("order", signedBy: authority)
    try await Self.with(server: wallet, client: ClientTLS(order, server: .host(name))) { loopback, seen in
      #expect(await loopback.failure()?.code == (accepted ? nil : .unavailable))
      #expect(seen.callers.isEmpty != accepted)
    }
  }

  @Test("one end with TLS and one without come to nothing", arguments: [true, false])
  func half(serverHasTLS: Bool) async throws {
    let authority = try TestAuthority()
    let (_, wallet) = try TLSFolder.of("wallet", signedBy: authority)
    let (_, order) = try TLSFolder.of("order", signedBy: authority)
    let client = try ClientTLS(order, server: .identity(.of("wallet")))
    try await Self.with(
      server: serverHasTLS ? wallet : nil, client: serverHasTLS ? nil : client
    ) { loopback, seen in
      #expect(await loopback.failure()?.code == .unavailable)
      #expect(seen.callers.isEmpty)
    }
  }

  // Method: each end in turn has a certificate that it took for good by a clock of its own.
  @Test("a certificate that has expired since it was loaded is refused", arguments: [true, false])
  func expired(serverIsExpired: Bool) async throws {
    let authority = try TestAuthority()
    let folder = try TLSFolder()
    let name = serverIsExpired ? "wallet" : "order"
    try folder.write(authority.issue(uris: ["spiffe://mobo/\(name)"], from: -7_200, to: -3_600), trusting: authority)
    let stale = try TLSCredentials(folder.files, now: { Int64(Date.now.timeIntervalSince1970) - 5_400 })
    let (_, good) = try TLSFolder.of(serverIsExpired ? "order" : "wallet", signedBy: authority)
    let client = try ClientTLS(serverIsExpired ? good : stale, server: .identity(.of("wallet")))
    try await Self.with(server: serverIsExpired ? stale : good, client: client) { loopback, seen in
      #expect(await loopback.failure()?.code == .unavailable)
      #expect(seen.callers.isEmpty)
    }
  }

  // Method: the server's new certificate names another service, so that a client can tell which one it was shown.
  @Test("new connections get the new certificate, the one that exists goes on, a bad file changes nothing")
  func reload() async throws {
    let authority = try TestAuthority()
    let (folder, server) = try TLSFolder.of("wallet", signedBy: authority)
    let (_, order) = try TLSFolder.of("order", signedBy: authority)
    try await Self.with(server: server, client: ClientTLS(order, server: .identity(.of("wallet")))) { loopback, seen in
      _ = try await loopback.call([1])
      func outcome(expecting service: String) async throws -> StatusCode? {
        let channel = RPCChannel(
          target: "127.0.0.1:\(loopback.port)",
          configuration: RPCChannelConfiguration(tls: ClientTLS(order, server: .identity(try .of(service)))),
          logger: quiet)
        defer { Task { await channel.close(within: .zero) } }
        do {
          _ = try await channel.unary(ProbeService.call, [2], options: CallOptions(retry: .none))
          return nil
        } catch let error as RPCError {
          return error.code
        }
      }
      try folder.write(authority.issue(uris: ["spiffe://mobo/audit"]), trusting: authority)
      #expect(try await outcome(expecting: "wallet") == nil)  // Nobody has looked at the files yet.
      guard case .replaced = server.reload() else { return #expect(Bool(false)) }
      #expect(try await outcome(expecting: "wallet") == .unavailable)
      #expect(try await outcome(expecting: "audit") == nil)

      try folder.write(.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
      guard case .refused = server.reload() else { return #expect(Bool(false)) }
      #expect(try await outcome(expecting: "audit") == nil)

      _ = try await loopback.call([3])
      // The first channel's connection, and one for each of the three that were let in.
      #expect(seen.connections == 4)
    }
  }
}

@Suite("Connections before HTTP/2")
struct TLSHandshakeTests {
  static func server(_ configuration: ConnectionConfiguration, _ observed: TLSCallTests.Observed) throws -> HTTP2Server
  {
    let (_, wallet) = try TLSFolder.of("wallet", signedBy: TestAuthority())
    return HTTP2Server(
      host: "127.0.0.1", port: 0, configuration: configuration,
      tls: ServerTLS(wallet) { _, reason in observed.refused(reason) }
    ) { _ in NoStreams() }
  }

  static func connect(_ port: Int) async throws -> any Channel {
    try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(host: "127.0.0.1", port: port).get()
  }

  @Test("a peer that begins no handshake is cut off by the handshake's limit")
  func silence() async throws {
    let observed = TLSCallTests.Observed()
    let server = try Self.server(ConnectionConfiguration(handshakeTimeout: .milliseconds(50)), observed)
    let port = try await server.start().port
    let channel = try await Self.connect(port)
    try await channel.closeFuture.get()
    #expect(observed.refusals == ["the TLS handshake took too long"])
    await server.shutdownGracefully(within: .zero)
  }

  @Test("what is no TLS is refused with a reason; who only looks at the port is no news")
  func garbage() async throws {
    let observed = TLSCallTests.Observed()
    let server = try Self.server(ConnectionConfiguration(), observed)
    let port = try await server.start().port
    let visit = try await Self.connect(port)
    let channel = try await Self.connect(port)
    // The server may be faster, and have closed what is closed or written to here.
    try? await visit.close()
    try? await channel.writeAndFlush(ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    try await channel.closeFuture.get()
    await observed.refusal.wait()
    #expect(observed.refusals.count == 1)
    await server.shutdownGracefully(within: .zero)
  }

  @Test("a server does not start with TLS and without a certificate")
  func noCertificate() async throws {
    let (folder, _) = try TLSFolder.of("wallet", signedBy: TestAuthority())
    let bare = try TLSCredentials(TLSFiles(certificate: nil, key: nil, authorities: folder.files.authorities))
    let server = HTTP2Server(host: "127.0.0.1", port: 0, tls: ServerTLS(bare)) { _ in NoStreams() }
    await #expect(throws: TLSFailure.self) { try await server.start() }
  }

  @Test("a server that stops does not wait for a peer that never finishes its handshake")
  func shutdown() async throws {
    let server = try Self.server(ConnectionConfiguration(), TLSCallTests.Observed())
    let port = try await server.start().port
    let channel = try await Self.connect(port)
    try await channel.writeAndFlush(ByteBuffer(bytes: [0x16, 0x03, 0x01]))  // The first bytes of a handshake.
    await server.shutdownGracefully(within: .milliseconds(10))
    try await channel.closeFuture.get()
  }
}

/// For connections that must not come to a stream.
private final class NoStreams: StreamAcceptor {
  func accept(_ stream: HTTP2Stream) -> any StreamHandler {
    preconditionFailure("a stream was opened")
  }
}
