import Kernel
import Mongo

/// One thing that happened, for the audit log (DOMAIN 10). Never holds secrets, tokens, images or full account
/// numbers.
public struct AuditEntry: Hashable, Sendable {
  public let action: String
  public let entityType: String
  public let entityID: String
  /// Nil when nobody is behind it: a login that failed before anybody was known.
  public let actor: Actor?
  public let metadata: [String: AuditValue]
  public let occurredAt: Timestamp

  public init(
    action: String, entityType: String, entityID: String, actor: Actor?, metadata: [String: AuditValue] = [:],
    occurredAt: Timestamp
  ) {
    self.action = action
    self.entityType = entityType
    self.entityID = entityID
    self.actor = actor
    self.metadata = metadata
    self.occurredAt = occurredAt
  }
}

/// A fact in an entry's metadata.
public enum AuditValue: Hashable, Sendable {
  case string(String)
  /// Travels as text, like every 64-bit integer (PLATFORM 11.2).
  case int(Int64)
  case bool(Bool)
  case list([AuditValue])
  case object([String: AuditValue])
  case null
}

extension AuditValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
  public init(stringLiteral value: String) { self = .string(value) }
  public init(integerLiteral value: Int64) { self = .int(value) }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(arrayLiteral elements: AuditValue...) { self = .list(elements) }
  public init(nilLiteral: ()) { self = .null }
  public init(dictionaryLiteral elements: (String, AuditValue)...) {
    self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
  }
}

extension AuditEntry {
  /// As it waits in the outbox. Field names of metadata may come from users and are checked.
  func payload() throws(MongoFailure) -> BSONDocument {
    let metadata = try AuditValue.document(metadata)
    return BSONDocument(capacity: 512) { payload in
      payload.append("action", action)
      payload.append("entityType", entityType)
      payload.append("entityId", entityID)
      payload.appendOrNull("actorId", actor?.id)
      if let actor { payload.append("actorRoles", strings: actor.roles.map(\.rawValue)) }
      payload.appendOrNull("requestId", actor?.requestID)
      payload.appendOrNull("ip", actor?.client?.ip)
      payload.appendOrNull("userAgent", actor?.client?.userAgent)
      payload.append("metadata", metadata)
      payload.append("occurredAt", occurredAt)
    }
  }

  init(payload: BSONDocument) throws {
    let roles = payload.has("actorRoles") ? try? payload.strings("actorRoles") : nil
    let client = ClientDescription(
      ip: try payload.optionalString("ip"), userAgent: try payload.optionalString("userAgent"))
    let actor = try payload.optionalString("actorId").map { id in
      Actor(
        id: id, roles: (roles ?? []).compactMap { Role(rawValue: $0) },
        requestID: try payload.optionalString("requestId"), client: client)
    }
    self.init(
      action: try payload.string("action"), entityType: try payload.string("entityType"),
      entityID: try payload.string("entityId"), actor: actor,
      metadata: try AuditValue.fields(try payload.document("metadata")),
      occurredAt: try payload.datetime("occurredAt"))
  }
}

extension AuditValue {
  /// Sorted by name, so that equal metadata has equal bytes.
  static func document(_ fields: [String: AuditValue]) throws(MongoFailure) -> BSONDocument {
    var members: [(String, BSONValue)] = []
    for (name, value) in fields.sorted(by: { $0.key < $1.key }) { members.append((name, try value.bson())) }
    return try BSONDocument(userFields: members)
  }

  fileprivate static func fields(_ document: BSONDocument) throws -> [String: AuditValue] {
    Dictionary(
      try document.fields().map { ($0.key, try AuditValue($0.value)) }, uniquingKeysWith: { _, last in last })
  }

  private func bson() throws(MongoFailure) -> BSONValue {
    switch self {
    case .string(let text): return .string(text)
    case .int(let number): return .int64(number)
    case .bool(let flag): return .bool(flag)
    case .null: return .null
    case .object(let fields): return .document(try Self.document(fields))
    case .list(let values):
      var list: [BSONValue] = []
      for value in values { list.append(try value.bson()) }
      return .array(list)
    }
  }

  private init(_ value: BSONValue) throws {
    switch value {
    case .string(let text): self = .string(text)
    case .int64(let number): self = .int(number)
    case .int32(let number): self = .int(Int64(number))
    case .bool(let flag): self = .bool(flag)
    case .null: self = .null
    case .document(let document): self = .object(try Self.fields(document))
    case .array(let values): self = .list(try values.map { try AuditValue($0) })
    default: throw MongoFailure.malformedDocument("`metadata` holds a value that no entry has")
    }
  }
}
