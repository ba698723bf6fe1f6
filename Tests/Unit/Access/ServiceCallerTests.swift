import Kernel
import RPC
import Stubs
import Testing
import Transport

@testable import Access

@Suite("Which service calls")
struct ServiceCallerTests {
  static let services = ["identity", "campaign", "order", "wallet", "audit", "gateway", "operator"]

  static let internalMethods =
    IdentityInternalServiceMethods.all + CampaignInternalServiceMethods.all + WalletInternalServiceMethods.all
    + AuditInternalServiceMethods.all

  /// The other end of a connection with TLS whose certificate has these URIs; nil for no certificate.
  static func encrypted(_ uris: [String]?) -> ConnectionPeer {
    ConnectionPeer(address: "127.0.0.1:4711", isEncrypted: true, identity: uris.map { PeerIdentity(uris: $0) })
  }

  static func interceptor(_ person: Principal? = nil, keys: ServiceKeys? = nil) throws -> AccessInterceptor {
    let ring = try Fixture.ring()
    return AccessInterceptor(
      verifier: Fixture.verifier(KeySource([ring]), MovedClocks()), principals: People(person.map { [$0] } ?? []),
      serviceKeys: try keys ?? ServiceKeys(json: Array(#"{"order":"\#(Fixture.key)"}"#.utf8), path: "keys"),
      trustDomain: "mobo")
  }

  /// The service that is let in; nil when the call is refused, which must be as FORBIDDEN.
  static func caller(
    _ interceptor: AccessInterceptor, _ method: MethodDescriptor, _ remote: ConnectionPeer, _ metadata: Metadata
  ) async throws -> String? {
    do {
      let caller = try await interceptor.caller(of: CallContext(method: method, metadata: metadata, remote: remote))
      guard case .service(let name, _) = caller else { return "no service" }
      return name
    } catch let failure as Failure {
      #expect(failure.code == .forbidden)
      return nil
    }
  }

  // Goal: an internal method answers its own list and nobody else. Method: every method of every service, called by
  // every service, by certificates that prove nothing, by a user's token and by nobody.
  @Test("every internal method refuses whoever is not on its list", arguments: internalMethods)
  func allowLists(method: MethodDescriptor) async throws {
    let interceptor = try Self.interceptor(Fixture.person([.admin]))
    let actor: Metadata = ["mobo-actor": "SYSTEM", "mobo-actor-roles": ""]
    #expect(!method.rules.callers.isEmpty && method.rules.roles.isEmpty && !method.rules.isPublic)
    for service in Self.services {
      let expected = method.rules.callers.contains(service) ? service : nil
      let certified = Self.encrypted(["spiffe://mobo/\(service)"])
      #expect(try await Self.caller(interceptor, method, certified, actor) == expected)
    }
    let strangers: [[String]?] = [
      nil, [], ["spiffe://mobo/nobody"], ["spiffe://other/order"], ["https://mobo/order"], ["spiffe://mobo/order/x"],
    ]
    for uris in strangers {
      #expect(try await Self.caller(interceptor, method, Self.encrypted(uris), actor) == nil)
    }
    let ring = try Fixture.ring()
    var token: Metadata = ["authorization": "Bearer \(try await Fixture.token(ring, MovedClocks()))"]
    #expect(try await Self.caller(interceptor, method, Self.encrypted(nil), token) == nil)
    #expect(try await Self.caller(interceptor, method, ConnectionPeer(address: "127.0.0.1:1"), token) == nil)
    token.append("mobo-actor", "SYSTEM")
    #expect(try await Self.caller(interceptor, method, ConnectionPeer(address: "127.0.0.1:1"), token) == nil)
    #expect(try await Self.caller(interceptor, method, ConnectionPeer(address: "127.0.0.1:1"), [:]) == nil)
  }

  static let method = Fixture.method("mobo.test.v1.TestInternalService", callers: ["order", "wallet"])
  static let key = AccessInterceptorTests.service("order")

  @Test(
    "keys count on plaintext from this machine alone; with TLS only the certificate does",
    arguments: [
      (ConnectionPeer(address: "127.0.0.1:1"), key, "order"), (ConnectionPeer(address: "::1:1"), key, "order"),
      (ConnectionPeer(address: "10.0.0.7:1"), key, nil), (encrypted(nil), key, nil), (encrypted([]), key, nil),
      (encrypted(["spiffe://mobo/wallet"]), key, "wallet"), (encrypted(["spiffe://mobo/audit"]), key, nil),
      (encrypted(["spiffe://mobo/order", "spiffe://mobo/wallet"]), key, nil),
      (
        ConnectionPeer(address: "127.0.0.1:1", identity: PeerIdentity(uris: ["spiffe://mobo/order"])),
        ["mobo-actor": "SYSTEM"], nil
      ),
    ] as [(ConnectionPeer, Metadata, String?)])
  func proof(remote: ConnectionPeer, metadata: Metadata, expected: String?) async throws {
    #expect(try await Self.caller(Self.interceptor(), Self.method, remote, metadata) == expected)
  }

  @Test("a service that acts for somebody who cannot be is refused, certificate or not")
  func actor() async throws {
    let remote = Self.encrypted(["spiffe://mobo/order"])
    #expect(try await Self.caller(Self.interceptor(), Self.method, remote, ["mobo-actor": "root"]) == nil)
    #expect(try await Self.caller(Self.interceptor(), Self.method, remote, ["mobo-actor": "SYSTEM"]) == "order")
  }

  @Test("without a trust domain no certificate names a caller")
  func noTrustDomain() async throws {
    let interceptor = AccessInterceptor(
      verifier: Fixture.verifier(KeySource([try Fixture.ring()]), MovedClocks()), principals: People([]),
      serviceKeys: .none)
    let remote = Self.encrypted(["spiffe://mobo/order"])
    #expect(try await Self.caller(interceptor, Self.method, remote, ["mobo-actor": "SYSTEM"]) == nil)
  }
}
