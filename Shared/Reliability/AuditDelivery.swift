import Kernel
import Messages
import Mongo
import RPC
import Stubs

/// Delivers audit messages by the audit service's AppendAudit, which stores each event id once.
///
/// Events have no receiver yet: nobody keeps a stream open, and whoever does later fetches what it missed (DOMAIN
/// 11.1). So they count as delivered, to nobody. A message of any other topic is refused, and parked by the relay.
public struct AuditDelivery: Sendable {
  /// The proto's `max_items`.
  private static let entriesMax = 500
  /// A quarter of the default message limit: payload bytes are a fair measure of encoded ones.
  private static let bytesMax = 1 << 20

  private let client: AuditInternalServiceClient

  public init(_ client: AuditInternalServiceClient) {
    self.client = client
  }

  public func deliver(_ messages: [OutboxMessage]) async throws {
    var entries: [AuditV1.AuditEntry] = []
    var bytes = 0
    for message in messages where !DomainEvent.isTopic(message.topic) {
      let size = message.payload.bytes.count
      if entries.count == Self.entriesMax || (!entries.isEmpty && bytes + size > Self.bytesMax) {
        try await send(entries)
        entries = []
        bytes = 0
      }
      entries.append(try AuditV1.AuditEntry(message))
      bytes += size
    }
    if !entries.isEmpty { try await send(entries) }
  }

  private func send(_ entries: [AuditV1.AuditEntry]) async throws {
    _ = try await client.appendAudit(AuditV1.AppendAuditRequest(entries: entries))
  }
}

extension AuditV1.AuditEntry {
  init(_ message: OutboxMessage) throws {
    let entry: AuditEntry
    do {
      guard message.topic == Outbox.auditTopic else { throw MongoFailure.malformedDocument("`topic`") }
      entry = try AuditEntry(payload: message.payload)
    } catch {
      // Definite, so that the relay parks it.
      throw Failure(.validationFailed, "the message \(message.eventID) is not an audit entry")
    }
    self.init(
      eventId: message.eventID, occurredAt: GoogleProtobuf.Timestamp(entry.occurredAt), actorUserId: entry.actor?.id,
      actorRoles: entry.actor?.roles.map(\.rawValue) ?? [], action: entry.action, entityType: entry.entityType,
      entityId: entry.entityID, requestId: entry.actor?.requestID,
      metadata: GoogleProtobuf.Struct(fields: entry.metadata.mapValues { GoogleProtobuf.Value($0) }),
      ip: entry.actor?.client?.ip, userAgent: entry.actor?.client?.userAgent)
  }
}

extension GoogleProtobuf.Value {
  fileprivate init(_ value: AuditValue) {
    switch value {
    case .string(let text): self.init(text)
    case .int(let number): self.init(number)
    case .bool(let flag): self.init(flag)
    case .null: self = .null
    case .list(let values):
      self.init(kind: .listValue(GoogleProtobuf.ListValue(values: values.map { GoogleProtobuf.Value($0) })))
    case .object(let fields):
      self.init(kind: .structValue(GoogleProtobuf.Struct(fields: fields.mapValues { GoogleProtobuf.Value($0) })))
    }
  }
}
