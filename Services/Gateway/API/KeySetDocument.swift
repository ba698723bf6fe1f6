import Access
import HTTP
import Kernel
import Logging
import Messages

/// `/.well-known/jwks.json`: identity's public keys (RFC 7517), republished for whoever verifies access tokens.
public actor KeySetDocument: EdgeDocument {
  /// While identity is away, stale keys cost it at most one question in this time.
  static let fetchPause = Duration.seconds(1)

  private let fetch: @Sendable () async throws -> [IdentityV1.JsonWebKey]
  private let refresh: Duration
  private let logger: Logger
  private let monotonic: @Sendable () -> ContinuousClock.Instant
  private var held: (body: [UInt8], until: ContinuousClock.Instant)?
  private var triedAt: ContinuousClock.Instant?
  private var fetching: Task<[UInt8], any Error>?

  /// - Parameters:
  ///   - refresh: how long an answer of identity is served without asking again.
  ///   - monotonic: the clock of the fetches; tests move it.
  public init(
    refresh: Duration, logger: Logger,
    monotonic: @escaping @Sendable () -> ContinuousClock.Instant = { ContinuousClock.now },
    fetch: @escaping @Sendable () async throws -> [IdentityV1.JsonWebKey]
  ) {
    self.refresh = refresh
    self.logger = logger
    self.monotonic = monotonic
    self.fetch = fetch
  }

  /// Keys that are held are served at once and renewed behind the answer: they are public, and right until a
  /// rotation. Without keys everybody waits for the one fetch under way.
  public func response() async throws -> HTTPResponse {
    guard let held else { return answer(try await beginFetch().value) }
    let now = monotonic()
    let hasPaused = triedAt.map { $0.duration(to: now) >= Self.fetchPause } ?? true
    if now >= held.until, hasPaused { _ = beginFetch() }
    return answer(held.body)
  }

  /// Returns when no fetch is under way.
  func settled() async { _ = await fetching?.result }

  private func beginFetch() -> Task<[UInt8], any Error> {
    if let fetching { return fetching }
    triedAt = monotonic()
    // Detached: it serves every caller, so it must not end with the one who started it.
    let task = Task.detached { try await self.renew() }
    fetching = task
    return task
  }

  private func renew() async throws -> [UInt8] {
    defer { fetching = nil }
    do {
      let body = Self.body(try await fetch())
      held = (body, monotonic().advanced(by: refresh))
      return body
    } catch let failure as Failure {
      throw failure.ofIdentity(logger)
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
