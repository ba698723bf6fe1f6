import Kernel
import Mongo

/// Whom an event is for; any match delivers, and nobody is named by default (DOMAIN 11.2). Staff hear of every event
/// without being named.
public struct EventAudience: Hashable, Sendable {
  public var userIDs: [String]
  public var agencyCodes: [String]
  public var mediatorCodes: [String]
  public var brandCodes: [String]
  /// Users whose parent has this code.
  public var parentCodes: [String]

  public init(
    userIDs: [String] = [], agencyCodes: [String] = [], mediatorCodes: [String] = [], brandCodes: [String] = [],
    parentCodes: [String] = []
  ) {
    self.userIDs = userIDs
    self.agencyCodes = agencyCodes
    self.mediatorCodes = mediatorCodes
    self.brandCodes = brandCodes
    self.parentCodes = parentCodes
  }
}

/// A hint that something has changed, for portals that show it: whoever hears it fetches again. Never holds anything
/// personal.
///
/// Written in the transaction of the change, like an audit entry; delivered at most once per open stream.
public struct DomainEvent: Hashable, Sendable {
  /// The type of the event, for example `wallets.changed`. Every topic of events ends in `.changed`.
  public let topic: String
  public let audience: EventAudience
  public let payload: [String: AuditValue]
  public let occurredAt: Timestamp

  public init(topic: String, audience: EventAudience, payload: [String: AuditValue] = [:], occurredAt: Timestamp) {
    assert(Self.isTopic(topic), "the topic of an event ends in .changed")
    self.topic = topic
    self.audience = audience
    self.payload = payload
    self.occurredAt = occurredAt
  }

  public static func isTopic(_ topic: String) -> Bool { topic.hasSuffix(".changed") }
}

extension DomainEvent {
  /// As it waits in the outbox; selectors that name nobody are left out.
  func document() throws(MongoFailure) -> BSONDocument {
    var audience: BSONDocument = [:]
    let selectors = [
      ("userIds", self.audience.userIDs), ("agencyCodes", self.audience.agencyCodes),
      ("mediatorCodes", self.audience.mediatorCodes), ("brandCodes", self.audience.brandCodes),
      ("parentCodes", self.audience.parentCodes),
    ]
    for (name, values) in selectors where !values.isEmpty { audience.append(name, .strings(values)) }
    return [
      "audience": .document(audience), "payload": .document(try AuditValue.document(payload)),
      "occurredAt": .datetime(occurredAt),
    ]
  }
}
