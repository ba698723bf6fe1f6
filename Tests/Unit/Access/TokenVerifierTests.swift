import Foundation
import JWTKit
import Kernel
import Messages
import Testing

@testable import Access

@Suite("Access tokens")
struct TokenVerifierTests {
  @Test("a fresh token is valid, and its header names the key")
  func valid() async throws {
    let (ring, clocks) = (try Fixture.ring(), MovedClocks())
    let token = try await Fixture.token(ring, clocks)
    let claims = try await Fixture.verifier(KeySource([ring]), clocks).verify(token)
    #expect(claims.sub == Fixture.userID.rawValue && claims.sid == "s1" && claims.roles == ["shopper"])
    #expect(claims.exp - claims.iat == 900)
    let header = try #require(Base64.decode(String(token.split(separator: ".")[0])))
    let fields = try #require(try JSONSerialization.jsonObject(with: Data(header)) as? [String: String])
    #expect(fields == ["alg": "EdDSA", "typ": "JWT", "kid": ring.currentID])
  }

  // The clock stands at a whole second, so the token expires exactly 900 s later; 30 s more are tolerated.
  @Test(
    "a token is good until its expiry and thirty seconds more",
    arguments: [(0, true), (900, true), (929, true), (930, false), (86_400, false), (-172_800, true)])
  func expiry(seconds: Int, good: Bool) async throws {
    let (ring, clocks) = (try Fixture.ring(), MovedClocks())
    let token = try await Fixture.token(ring, clocks)
    clocks.moveWall(by: .seconds(seconds))
    #expect(try await Self.outcome(token, KeySource([ring]), clocks) == (good ? nil : .tokenExpired))
  }

  @Test("an expired token with a bad signature is invalid, not expired")
  func expiredForgery() async throws {
    let (ring, clocks) = (try Fixture.ring(), MovedClocks())
    let token = try await Fixture.token(ring, clocks)
    clocks.moveWall(by: .seconds(10_000))
    #expect(try await Self.outcome(Self.altered(token), KeySource([ring]), clocks) == .invalidToken)
  }

  @Test(
    "claims of another issuer, audience or kind are invalid",
    arguments: [
      ("mobo-identity", "mobo", "access", nil), ("other", "mobo", "access", .invalidToken),
      ("mobo-identity", "other", "access", .invalidToken), ("mobo-identity", "mobo", "refresh", .invalidToken),
    ] as [(String, String, String, ErrorCode?)])
  func claims(issuer: String, audience: String, kind: String, expected: ErrorCode?) async throws {
    let (ring, clocks) = (try Fixture.ring(), MovedClocks())
    let now = clocks.now().milliseconds / 1_000
    let claims = AccessClaims(
      iss: issuer, aud: audience, sub: Fixture.userID.rawValue, sid: "s", roles: [], typ: kind, iat: now,
      exp: now + 900, jti: "j")
    let signer = await JWTKeyCollection().add(eddsa: ring.current)
    let token = try await signer.sign(claims, header: ["kid": .string(ring.currentID)])
    #expect(try await Self.outcome(token, KeySource([ring]), clocks) == expected)
  }

  @Test(
    "headers with another algorithm, without a key or with extensions are invalid",
    arguments: [
      #"{"alg":"none","kid":"KID","typ":"JWT"}"#, #"{"alg":"HS256","kid":"KID","typ":"JWT"}"#,
      #"{"alg":"EdDSA","typ":"JWT"}"#, #"{"alg":"EdDSA","kid":"KID","typ":"JOSE"}"#,
      #"{"alg":"EdDSA","kid":"KID","typ":"JWT","crit":["exp"]}"#, #"{"kid":"KID"}"#, "not json",
    ])
  func headers(header: String) async throws {
    let (ring, clocks) = (try Fixture.ring(), MovedClocks())
    let parts = try await Fixture.token(ring, clocks).split(separator: ".")
    let forged = Base64URL.text(Array(header.replacing("KID", with: ring.currentID).utf8))
    let token = "\(forged).\(parts[1]).\(parts[2])"
    #expect(try await Self.outcome(token, KeySource([ring]), clocks) == .invalidToken)
  }

  @Test(
    "texts that are no token are invalid",
    arguments: ["", ".", "..", "a.b.c", "eyJ.eyJ", String(repeating: "a", count: 5_000)])
  func garbage(token: String) async throws {
    #expect(try await Self.outcome(token, KeySource([try Fixture.ring()]), MovedClocks()) == .invalidToken)
  }

  @Test("a key signed by nobody we know is invalid, even under a known key's name")
  func foreignKey() async throws {
    let (own, foreign, clocks) = (try Fixture.ring(), try Fixture.ring(), MovedClocks())
    #expect(try await Self.outcome(Fixture.token(foreign, clocks), KeySource([own]), clocks) == .invalidToken)
    let parts = try await Fixture.token(own, clocks).split(separator: ".")
    let other = try await Fixture.token(foreign, clocks).split(separator: ".")
    let mixed = "\(parts[0]).\(other[1]).\(other[2])"
    #expect(try await Self.outcome(mixed, KeySource([own]), clocks) == .invalidToken)
  }

  @Test("an unknown key is fetched at once, but not twice within a second")
  func rotation() async throws {
    let (old, new, clocks) = (try Fixture.ring(), try Fixture.ring(), MovedClocks())
    let source = KeySource([old])
    let verifier = Fixture.verifier(source, clocks)
    _ = try await verifier.verify(try await Fixture.token(old, clocks))
    source.replace(by: [old, new])
    let token = try await Fixture.token(new, clocks)
    await #expect(throws: Failure.self) { try await verifier.verify(token) }
    #expect(source.asked == 1)
    clocks.moveMonotonic(by: .seconds(1))
    _ = try await verifier.verify(token)
    _ = try await verifier.verify(try await Fixture.token(old, clocks))
    #expect(source.asked == 2)
  }

  @Test("without any keys the answer is to try later; with old keys their tokens go on")
  func identityAway() async throws {
    let (ring, clocks) = (try Fixture.ring(), MovedClocks())
    let source = KeySource([ring])
    source.setAway(true)
    let verifier = Fixture.verifier(source, clocks)
    let token = try await Fixture.token(ring, clocks)
    let failure = await #expect(throws: Failure.self) { try await verifier.verify(token) }
    #expect(failure?.code == .serviceUnavailable)

    source.setAway(false)
    clocks.moveMonotonic(by: .seconds(1))
    _ = try await verifier.verify(token)
    source.setAway(true)
    clocks.moveMonotonic(by: .seconds(301))
    _ = try await verifier.verify(token)
  }

  @Test("keys survive a restart of the process, in a file of their own mode")
  func persistence() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "mobo-keys-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let first = try SigningKeyRing.loadOrGenerate(directory: folder + "/state")
    let second = try SigningKeyRing.loadOrGenerate(directory: folder + "/state")
    #expect(first.currentID == second.currentID && first.publicKeys == second.publicKeys)
    #expect(first.publicKeys.count == 2)
    let path = folder + "/state/signing-keys.json"
    let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
    #expect(mode == 0o600)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/state") == ["signing-keys.json"])
  }

  @Test("a file of PEM keys signs with the first and publishes all; other files are refused without their content")
  func files() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "mobo-keys-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appending(path: "keys.pem").path
    let keys = [try EdDSA.PrivateKey(), try EdDSA.PrivateKey()]
    try keys.map(\.pemRepresentation).joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
    let ring = try SigningKeyRing.load(path: path)
    #expect(ring.publicKeys.map(\.point) == keys.map { Array($0.publicKey.rawRepresentation) })

    let foreign = [
      "c4n4ry", #"{"keys":[]}"#, #"{"keys":[{"use":"current","d":"c4n4ry"}]}"#, "-----BEGIN X-----\nc4n4ry",
    ]
    for text in foreign {
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      let failure = #expect(throws: SigningKeyFailure.self) { try SigningKeyRing.load(path: path) }
      #expect(failure?.description.contains("c4n4ry") == false)
    }
  }

  /// The code of the refusal, nil when the token is valid.
  static func outcome(
    _ token: String, _ source: any SigningKeySource, _ clocks: MovedClocks
  ) async throws -> ErrorCode? {
    do throws(Failure) {
      _ = try await Fixture.verifier(source, clocks).verify(token)
      return nil
    } catch {
      return error.code
    }
  }

  /// The token with another character in the middle of its signature.
  static func altered(_ token: String) -> String {
    var characters = Array(token)
    let position = characters.count - 20
    characters[position] = characters[position] == "A" ? "B" : "A"
    return String(characters)
  }
}
