import AuditDomain
import Kernel
import Messages

extension AuditEntry {
  /// Fails with `VALIDATION_FAILED` when the metadata cannot be stored; the other limits are in the proto.
  init(_ entry: AuditV1.AuditEntry, service: String, path: String) throws(Failure) {
    guard let occurredAt = entry.occurredAt else { throw .validation("\(path).occurredAt", "is required") }
    let metadata = AuditMetadata((entry.metadata?.fields ?? [:]).mapValues(AuditValue.init))
    try metadata.validate(path: "\(path).metadata")
    self.init(
      eventID: entry.eventId, occurredAt: occurredAt.kernel, service: service, actorUserID: entry.actorUserId,
      actorRoles: entry.actorRoles, action: entry.action, entityType: entry.entityType, entityID: entry.entityId,
      requestID: entry.requestId, client: ClientDescription(ip: entry.ip, userAgent: entry.userAgent),
      metadata: metadata)
  }
}

extension AuditV1.AuditLog {
  init(_ record: AuditRecord) {
    let entry = record.entry
    self.init(
      id: record.id.rawValue, eventId: entry.eventID, occurredAt: GoogleProtobuf.Timestamp(entry.occurredAt),
      createdAt: GoogleProtobuf.Timestamp(record.createdAt), service: entry.service, actorUserId: entry.actorUserID,
      actorRoles: entry.actorRoles, action: entry.action, entityType: entry.entityType, entityId: entry.entityID,
      requestId: entry.requestID,
      metadata: GoogleProtobuf.Struct(fields: entry.metadata.fields.mapValues(GoogleProtobuf.Value.init)),
      ip: entry.client.ip, userAgent: entry.client.userAgent)
  }
}

extension AuditValue {
  /// A value without a kind counts as null, as in JSON.
  init(_ value: GoogleProtobuf.Value) {
    self =
      switch value.kind {
      case .none, .nullValue: .null
      case .boolValue(let flag): .bool(flag)
      case .numberValue(let number): .number(number)
      case .stringValue(let text): .string(text)
      case .listValue(let list): .list(list.values.map(AuditValue.init))
      case .structValue(let object): .object(object.fields.mapValues(AuditValue.init))
      }
  }
}

extension GoogleProtobuf.Value {
  init(_ value: AuditValue) {
    let kind: GoogleProtobuf.Value.Kind =
      switch value {
      case .null: .nullValue(.nullValue)
      case .bool(let flag): .boolValue(flag)
      case .number(let number): .numberValue(number)
      case .string(let text): .stringValue(text)
      case .list(let values): .listValue(GoogleProtobuf.ListValue(values: values.map(GoogleProtobuf.Value.init)))
      case .object(let fields): .structValue(GoogleProtobuf.Struct(fields: fields.mapValues(GoogleProtobuf.Value.init)))
      }
    self.init(kind: kind)
  }
}
