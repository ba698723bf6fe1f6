import HTTP
import Kernel
import Messages
import Synchronization
import Testing

@testable import GatewayAPI

@Suite("Public keys")
struct KeySetDocumentTests {
  private let key = IdentityV1.JsonWebKey(kty: "OKP", crv: "Ed25519", kid: "k1", x: "AAAA", use: "sig", alg: "EdDSA")

  @Test("the keys are published as a JWK set and may be cached")
  func published() async throws {
    let key = key
    let harness = EdgeHarness(documents: ["/.well-known/jwks.json": KeySetDocument(refresh: .seconds(300)) { [key] }])
    let response = await harness.send("GET", "/.well-known/jwks.json")
    #expect(response.status == 200)
    #expect(response.headers["content-type"] == "application/jwk-set+json")
    #expect(response.headers["cache-control"] == "public, max-age=300")
    #expect(response.json?["keys"]?[0]?["kid"] == .string("k1"))
    #expect(response.json?["keys"]?[0]?["crv"] == .string("Ed25519"))
  }

  @Test("identity is asked once in a while, and its absence is bridged")
  func cached() async throws {
    let asked = Mutex(0)
    let key = key
    let isDown = Mutex(false)
    let document = KeySetDocument(refresh: .zero) {
      asked.withLock { $0 += 1 }
      if isDown.withLock({ $0 }) { throw Failure(.serviceUnavailable, "down") }
      return [key]
    }
    let first = try await document.response()
    isDown.withLock { $0 = true }
    #expect(try await document.response().body == first.body)
    #expect(asked.withLock { $0 } == 2)
  }

  @Test("an answer that is still fresh is not asked for again")
  func fresh() async throws {
    let asked = Mutex(0)
    let document = KeySetDocument(refresh: .seconds(3_600)) {
      asked.withLock { $0 += 1 }
      return []
    }
    _ = try await document.response()
    _ = try await document.response()
    #expect(asked.withLock { $0 } == 1)
  }

  @Test("without any answer yet the failure is told, and the path takes GET only")
  func absent() async {
    let document = KeySetDocument(refresh: .seconds(1)) { throw Failure(.serviceUnavailable, "down") }
    let harness = EdgeHarness(documents: ["/.well-known/jwks.json": document])
    #expect(await harness.send("GET", "/.well-known/jwks.json").status == 503)
    let post = await harness.post("/.well-known/jwks.json")
    #expect(post.status == 405)
    #expect(post.headers["allow"] == "GET, HEAD")
  }
}
