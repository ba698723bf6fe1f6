import Kernel
import RPC
import Testing

@testable import Access

@Suite("Guards in front of every handler")
struct AccessInterceptorTests {
  /// Everything that the guards look at, with valid defaults.
  struct Harness {
    let ring: SigningKeyRing
    let clocks = MovedClocks()
    let people: People
    let interceptor: AccessInterceptor

    init(_ person: Principal? = Fixture.person(), keys: ServiceKeys? = nil) throws {
      ring = try Fixture.ring()
      people = People(person.map { [$0] } ?? [])
      let keys = try keys ?? ServiceKeys(json: Array(#"{"order":"\#(Fixture.key)"}"#.utf8), path: "keys")
      interceptor = AccessInterceptor(
        verifier: Fixture.verifier(KeySource([ring]), clocks), principals: people, serviceKeys: keys)
    }

    func bearer() async throws -> Metadata {
      ["authorization": "Bearer \(try await Fixture.token(ring, clocks))"]
    }

    /// The code of the refusal, nil when the call reaches the handler.
    func outcome(_ method: MethodDescriptor, _ metadata: Metadata) async throws -> ErrorCode? {
      do {
        try await interceptor.intercept(CallContext(method: method, metadata: metadata)) { _ in }
        return nil
      } catch let failure as Failure {
        return failure.code
      }
    }
  }

  @Test(
    "without a token, or with something that is none, the caller is asked to sign in",
    arguments: [
      (nil, .unauthenticated), ("", .unauthenticated), ("Basic abc", .unauthenticated), ("Bearer", .unauthenticated),
      ("Bearer abc", .invalidToken), ("bearer a.b.c", .invalidToken),
    ] as [(String?, ErrorCode)])
  func noToken(header: String?, code: ErrorCode) async throws {
    var metadata = Metadata()
    if let header { metadata.append("authorization", header) }
    #expect(try await Harness().outcome(Fixture.method(roles: ["*"]), metadata) == code)
  }

  @Test("two tokens are one too many")
  func twoTokens() async throws {
    let harness = try Harness()
    var metadata = try await harness.bearer()
    metadata.append("authorization", "Bearer other")
    #expect(try await harness.outcome(Fixture.method(roles: ["*"]), metadata) == .invalidToken)
  }

  @Test(
    "status comes before lineage, lineage before role",
    arguments: [
      (Fixture.person(), ["shopper"], nil), (Fixture.person(), ["*"], nil),
      (Fixture.person(), ["admin", "ops"], .forbidden), (Fixture.person([.ops, .shopper]), ["admin", "ops"], nil),
      (Fixture.person(status: .suspended, upstreamActive: false), ["admin"], .userNotActive),
      (Fixture.person(status: .pending), ["*"], .userNotActive),
      (Fixture.person(upstreamActive: false), ["admin"], .upstreamSuspended),
      (nil, ["*"], .unauthenticated), (Fixture.person([]), ["shopper"], .forbidden),
    ] as [(Principal?, [String], ErrorCode?)])
  func guards(person: Principal?, roles: [String], expected: ErrorCode?) async throws {
    let harness = try Harness(person)
    #expect(try await harness.outcome(Fixture.method(roles: roles), try await harness.bearer()) == expected)
  }

  @Test("a method without rules is refused to everybody")
  func closed() async throws {
    let harness = try Harness(Fixture.person([.admin]))
    #expect(try await harness.outcome(Fixture.method(), try await harness.bearer()) == .forbidden)
    #expect(try await harness.outcome(Fixture.method(), Self.service("order")) == .forbidden)
  }

  @Test("public methods pass without a token and with a bad one")
  func open() async throws {
    let harness = try Harness(nil)
    #expect(try await harness.outcome(Fixture.method(isPublic: true), [:]) == nil)
    #expect(try await harness.outcome(Fixture.method(isPublic: true), ["authorization": "Bearer x"]) == nil)
    #expect(harness.people.asked.isEmpty)
  }

  @Test("only changes ask for a fresh principal", arguments: [true, false])
  func freshness(mutating: Bool) async throws {
    let harness = try Harness()
    let method = Fixture.method(roles: ["*"], mutating: mutating)
    #expect(try await harness.outcome(method, try await harness.bearer()) == nil)
    #expect(harness.people.asked == [mutating])
  }

  static let internalMethod = Fixture.method("mobo.test.v1.TestInternalService", callers: ["order"])

  @Test(
    "internal methods are for listed services with their own key",
    arguments: [
      (service("order"), nil), (service("order", key: Fixture.key.uppercased()), nil),
      (service("order", key: String(repeating: "ac", count: 32)), .forbidden),
      (service("order", key: String(Fixture.key.dropLast())), .forbidden),
      (service("order", key: Fixture.key + "0"), .forbidden), (service("order", key: ""), .forbidden),
      (service("wallet"), .forbidden), (service("nobody", key: String(repeating: "0", count: 64)), .forbidden),
      (["mobo-service": "order"], .forbidden), (["mobo-service-key": Fixture.key], .forbidden), ([:], .forbidden),
      (service("order", actor: "root"), .forbidden), (service("order", roles: "king"), .forbidden),
    ] as [(Metadata, ErrorCode?)])
  func services(metadata: Metadata, expected: ErrorCode?) async throws {
    #expect(try await Harness().outcome(Self.internalMethod, metadata) == expected)
  }

  @Test("a service that is not listed is refused although its key is right")
  func unlisted() async throws {
    let method = Fixture.method("mobo.test.v1.TestInternalService", callers: ["wallet"])
    #expect(try await Harness().outcome(method, Self.service("order")) == .forbidden)
  }

  @Test("a user's token opens no internal method, and without a file of keys nothing does")
  func internalRefusals() async throws {
    let harness = try Harness(Fixture.person([.admin]))
    #expect(try await harness.outcome(Self.internalMethod, try await harness.bearer()) == .forbidden)
    let keyless = try Harness(keys: ServiceKeys.none)
    #expect(try await keyless.outcome(Self.internalMethod, Self.service("order")) == .forbidden)
  }

  @Test("the actor is believed from services only")
  func actors() async throws {
    let harness = try Harness(Fixture.person([.agency]))
    let internalCaller = try await harness.interceptor.caller(
      of: CallContext(
        method: Self.internalMethod,
        metadata: Self.service("order", actor: Fixture.userID.rawValue, roles: "admin,ops"), requestID: "r1"))
    guard case .service("order", let actor) = internalCaller else { return #expect(Bool(false)) }
    #expect(actor == Actor(id: Fixture.userID.rawValue, roles: [.admin, .ops], requestID: "r1"))

    var metadata = try await harness.bearer()
    metadata.append("mobo-actor", "SYSTEM")
    var context = CallContext(method: Fixture.method(roles: ["*"]), metadata: metadata, requestID: "r2")
    context[CallerKey.self] = try await harness.interceptor.caller(of: context)
    #expect(context.actor == Actor(id: Fixture.userID.rawValue, roles: [.agency], requestID: "r2"))
    #expect(try context.principal().roles == [.agency])
  }

  static func service(
    _ name: String, key: String = Fixture.key, actor: String = "SYSTEM", roles: String = ""
  ) -> Metadata {
    ["mobo-service": name, "mobo-service-key": key, "mobo-actor": actor, "mobo-actor-roles": roles]
  }
}

@Suite("Principals for a while")
struct CachedPrincipalsTests {
  @Test("reads are served from the cache until its time is over; changes never are")
  func caching() async throws {
    let (people, clocks) = (People([Fixture.person()]), MovedClocks())
    let cache = CachedPrincipals(people, ttl: .seconds(30), monotonic: clocks.monotonic)
    _ = try await cache.principal(Fixture.userID, fresh: false)
    clocks.moveMonotonic(by: .milliseconds(29_999))
    people.replace(by: Fixture.person(status: .suspended))
    #expect(try await cache.principal(Fixture.userID, fresh: false)?.status == .active)
    #expect(try await cache.principal(Fixture.userID, fresh: true)?.status == .suspended)
    #expect(try await cache.principal(Fixture.userID, fresh: false)?.status == .suspended)
    clocks.moveMonotonic(by: .seconds(30))
    _ = try await cache.principal(Fixture.userID, fresh: false)
    #expect(people.asked == [false, true, false])
  }

  @Test("a time of zero serves nothing from the cache, and unknown users are asked for again")
  func disabled() async throws {
    let people = People([Fixture.person()])
    let off = CachedPrincipals(people, ttl: .zero)
    for _ in 0..<2 { _ = try await off.principal(Fixture.userID, fresh: false) }
    let on = CachedPrincipals(People([]), ttl: .seconds(30))
    for _ in 0..<2 { #expect(try await on.principal(Fixture.userID, fresh: false) == nil) }
    #expect(people.asked == [false, false])
  }
}

@Suite("Service keys")
struct ServiceKeysTests {
  @Test(
    "a file of keys is taken whole or not at all",
    arguments: [
      (#"{"order":"\#(Fixture.key)"}"#, true), ("{}", true), ("[]", false), (#"{"order":1}"#, false), ("", false),
      (#"{"order":"\#(Fixture.key.dropLast())"}"#, false), (#"{"order":"\#(Fixture.key.dropLast())g"}"#, false),
      (#"{"order":"\#(Fixture.key)","wallet":"\#(Fixture.key)"}"#, false),
    ])
  func files(json: String, accepted: Bool) {
    let keys = try? ServiceKeys(json: Array(json.utf8), path: "keys")
    #expect((keys != nil) == accepted)
  }

  @Test("a failure does not show a key")
  func canary() {
    let failure = #expect(throws: ServiceKeysFailure.self) {
      try ServiceKeys(json: Array(#"{"order":"c4n4ry"}"#.utf8), path: "keys")
    }
    #expect(failure?.description.contains("c4n4ry") == false)
  }
}

@Suite("Credentials of outgoing calls")
struct ServiceCredentialsTests {
  static func sent(
    _ method: MethodDescriptor, keys: ServiceKeys? = nil, within context: CallContext? = nil
  ) async throws -> Metadata {
    let keys = try keys ?? ServiceKeys(json: Array(#"{"order":"\#(Fixture.key)"}"#.utf8), path: "keys")
    let credentials = ServiceCredentials(service: "order", keys: keys)
    let recorder = Recorder()
    try await CallScope.$current.withValue(context) {
      try await credentials.intercept(recorder.call(method)) { recorder.record($0.metadata) }
    }
    return recorder.metadata
  }

  static func userContext(_ more: Metadata = [:]) -> CallContext {
    var metadata = more
    metadata.append("authorization", "Bearer t")
    var context = CallContext(method: Fixture.method(roles: ["*"]), metadata: metadata, requestID: "r")
    context[CallerKey.self] = .user(Fixture.person([.agency]), token: "t")
    return context
  }

  @Test("internal calls name the service and the acting user, and never carry the user's token")
  func internalCalls() async throws {
    let metadata = try await Self.sent(AccessInterceptorTests.internalMethod, within: Self.userContext())
    #expect(metadata["mobo-service"] == "order" && metadata["mobo-service-key"] == Fixture.key)
    #expect(metadata["mobo-actor"] == Fixture.userID.rawValue && metadata["mobo-actor-roles"] == "agency")
    #expect(metadata["authorization"] == nil)
  }

  @Test("the client behind a user's call travels with the actor, through every service")
  func client() async throws {
    let context = Self.userContext(["mobo-client-ip": "192.0.2.7", "mobo-client-agent": "tests/1"])
    let client = ClientDescription(ip: "192.0.2.7", userAgent: "tests/1")
    #expect(context.actor.client == client)
    let metadata = try await Self.sent(AccessInterceptorTests.internalMethod, within: context)
    let next = try #require(ActorMetadata.parse(metadata, requestID: "r"))
    #expect(next == context.actor)
    let later = try await ActingFor.run(next) { try await Self.sent(AccessInterceptorTests.internalMethod) }
    #expect(later["mobo-client-ip"] == "192.0.2.7" && later["mobo-client-agent"] == "tests/1")
    // Somebody else's work in the course of the call is not the client's.
    let system = try await ActingFor.run(.system) {
      try await Self.sent(AccessInterceptorTests.internalMethod, within: context)
    }
    #expect(system["mobo-client-ip"] == nil && system["mobo-client-agent"] == nil)
  }

  @Test("without a gateway the client is the peer")
  func directClient() {
    let context = CallContext(
      method: Fixture.method(roles: ["*"]), metadata: ["user-agent": "grpc-test/1"], peer: "198.51.100.4:6000")
    #expect(context.client == ClientDescription(ip: "198.51.100.4", userAgent: "grpc-test/1"))
    #expect(CallContext(method: Fixture.method(roles: ["*"])).actor.client == nil)
  }

  @Test("user-facing calls carry the user's token, and never the service's key")
  func userCalls() async throws {
    let metadata = try await Self.sent(Fixture.method(roles: ["*"]), within: Self.userContext())
    #expect(metadata["authorization"] == "Bearer t" && metadata["mobo-service-key"] == nil)
  }

  @Test("outside a call the system acts, or whoever was named")
  func system() async throws {
    #expect(try await Self.sent(AccessInterceptorTests.internalMethod)["mobo-actor"] == "SYSTEM")
    let named = try await ActingFor.run(Actor(id: "SYSTEM_AI", roles: [])) {
      try await Self.sent(AccessInterceptorTests.internalMethod, within: Self.userContext())
    }
    #expect(named["mobo-actor"] == "SYSTEM_AI")
  }

  @Test("without a key of its own a service sends no credential")
  func keyless() async throws {
    let metadata = try await Self.sent(AccessInterceptorTests.internalMethod, keys: ServiceKeys.none)
    #expect(metadata["mobo-service"] == nil && metadata["mobo-service-key"] == nil)
  }
}
