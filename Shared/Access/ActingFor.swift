import Kernel
import RPC

/// Whom the running task acts for when it answers no call: sagas taken up again, sweeps, relays.
public enum ActingFor {
  /// Overrides the actor of the call that is being answered, if any.
  @TaskLocal public static var current: Actor?

  /// The actor that internal calls of the running task name.
  static var effective: Actor {
    current ?? CallScope.current?.actor ?? .system
  }

  /// Runs `body` with internal calls made in the name of `actor`.
  public static func run<Result>(
    _ actor: Actor, isolation: isolated (any Swift.Actor)? = #isolation, _ body: () async throws -> Result
  ) async rethrows -> Result {
    try await $current.withValue(actor, operation: body)
  }
}

/// How an actor travels between services.
enum ActorMetadata {
  static let service = "mobo-service"
  static let key = "mobo-service-key"
  static let actor = "mobo-actor"
  static let roles = "mobo-actor-roles"
  static let clientIP = "mobo-client-ip"
  static let clientAgent = "mobo-client-agent"

  /// The actors that are no user.
  private static let systemIDs: Set<String> = ["SYSTEM", "SYSTEM_AI"]

  /// Nil when the metadata names no actor in one of the known forms. Absent metadata means the system.
  static func parse(_ metadata: Metadata, requestID: String) -> Actor? {
    let id = metadata[actor] ?? Actor.system.id
    guard systemIDs.contains(id) || UserID(id) != nil else { return nil }
    var found: [Role] = []
    for text in (metadata[roles] ?? "").split(separator: ",") {
      guard let role = Role(rawValue: String(text).trimmed) else { return nil }
      found.append(role)
    }
    // The peer is the calling service: it is not what the actor used.
    let client = ClientDescription(ip: metadata[clientIP], userAgent: metadata[clientAgent])
    return Actor(id: id, roles: found, requestID: requestID, client: client)
  }
}
