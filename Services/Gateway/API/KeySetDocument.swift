import HTTP
import Kernel
import Messages

/// `/.well-known/jwks.json`: identity's public keys (RFC 7517), republished for whoever verifies access tokens.
public actor KeySetDocument: EdgeDocument {
  private let fetch: @Sendable () async throws -> [IdentityV1.JsonWebKey]
  private let refresh: Duration
  private var held: (body: [UInt8], until: ContinuousClock.Instant)?

  /// - Parameter refresh: how long an answer of identity is served without asking again.
  public init(refresh: Duration, fetch: @escaping @Sendable () async throws -> [IdentityV1.JsonWebKey]) {
    self.refresh = refresh
    self.fetch = fetch
  }

  /// While identity is away the last known keys are served: they are public, and right until a rotation.
  public func response() async throws -> HTTPResponse {
    if let held, ContinuousClock.now < held.until { return answer(held.body) }
    do {
      let body = Self.body(try await fetch())
      held = (body, ContinuousClock.now.advanced(by: refresh))
      return answer(body)
    } catch {
      guard let held else { throw error }
      return answer(held.body)
    }
  }

  private func answer(_ body: [UInt8]) -> HTTPResponse {
    HTTPResponse(
      status: HTTPStatusCode.ok,
      headers: [
        "content-type": "application/jwk-set+json", "cache-control": "public, max-age=\(refresh.components.seconds)",
      ], body: body)
  }

  private static func body(_ keys: [IdentityV1.JsonWebKey]) -> [UInt8] {
    var writer = JSONWriter()
    writer.beginObject()
    writer.name("keys")
    writer.beginArray()
    for key in keys { key.writeJSON(to: &writer) }
    writer.endArray()
    writer.endObject()
    return writer.bytes
  }
}
