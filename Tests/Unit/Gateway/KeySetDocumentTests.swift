import HTTP
import Kernel
import Logging
import Messages
import Synchronization
import Testing

@testable import GatewayAPI

@Suite("Public keys")
struct KeySetDocumentTests {
  private let key = IdentityV1.JsonWebKey(kty: "OKP", crv: "Ed25519", kid: "k1", x: "AAAA", use: "sig", alg: "EdDSA")
  private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  @Test("the keys are published as a JWK set and may be cached")
  func published() async throws {
    let key = key
    let document = KeySetDocument(refresh: .seconds(300), logger: logger) { [key] }
    let harness = EdgeHarness(documents: ["/.well-known/jwks.json": document])
    let response = await harness.send("GET", "/.well-known/jwks.json")
    #expect(response.status == 200)
    #expect(response.headers["content-type"] == "application/jwk-set+json")
    #expect(response.headers["cache-control"] == "public, max-age=300")
    #expect(response.json?["keys"]?[0]?["kid"] == .string("k1"))
    #expect(response.json?["keys"]?[0]?["crv"] == .string("Ed25519"))
  }

  @Test("stale keys are served at once and renewed behind the answer, at most once a second")
  func cached() async throws {
    let asked = Mutex(0)
    let isDown = Mutex(false)
    let now = Mutex(ContinuousClock.now)
    let document = KeySetDocument(refresh: .zero, logger: logger, monotonic: { now.withLock { $0 } }) { [key] in
      asked.withLock { $0 += 1 }
      if isDown.withLock({ $0 }) { throw Failure(.serviceUnavailable, "down") }
      return [key]
    }
    let first = try await document.response()
    isDown.withLock { $0 = true }
    for (step, expected) in [(Duration.milliseconds(999), 1), (.milliseconds(1), 2), (.zero, 2)] {
      now.withLock { $0 = $0.advanced(by: step) }
      #expect(try await document.response().body == first.body)
      await document.settled()
      #expect(asked.withLock { $0 } == expected)
    }
  }

  @Test(
    "a refusal of the gateway by identity is not the caller's",
    arguments: [
      (ErrorCode.forbidden, ErrorCode.serviceUnavailable), (.unauthenticated, .serviceUnavailable),
      (.unimplemented, .serviceUnavailable), (.databaseUnavailable, .databaseUnavailable),
      (.deadlineExceeded, .deadlineExceeded),
    ])
  func refused(code: ErrorCode, told: ErrorCode) async {
    let document = KeySetDocument(refresh: .seconds(1), logger: logger) { throw Failure(code, "no") }
    let failure = await #expect(throws: Failure.self) { try await document.response() }
    #expect(failure?.code == told)
  }

  @Test("an answer that is still fresh is not asked for again")
  func fresh() async throws {
    let asked = Mutex(0)
    let document = KeySetDocument(refresh: .seconds(3_600), logger: logger) {
      asked.withLock { $0 += 1 }
      return []
    }
    _ = try await document.response()
    _ = try await document.response()
    #expect(asked.withLock { $0 } == 1)
  }

  @Test("without any answer yet the failure is told, and the path takes GET only")
  func absent() async {
    let document = KeySetDocument(refresh: .seconds(1), logger: logger) { throw Failure(.serviceUnavailable, "down") }
    let harness = EdgeHarness(documents: ["/.well-known/jwks.json": document])
    #expect(await harness.send("GET", "/.well-known/jwks.json").status == 503)
    let post = await harness.post("/.well-known/jwks.json")
    #expect(post.status == 405)
    #expect(post.headers["allow"] == "GET, HEAD")
  }
}
