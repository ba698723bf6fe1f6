import AuditDomain
import Kernel
import Mongo

extension BSONDocument {
  init(_ metadata: AuditMetadata) {
    self.init(metadata.fields)
  }

  /// Members in the order of their names, so that equal metadata is stored in equal bytes.
  fileprivate init(_ fields: [String: AuditValue]) {
    self.init(fields.sorted { $0.key < $1.key }.map { ($0.key, BSONValue($0.value)) })
  }

  func auditMetadata() throws -> AuditMetadata {
    AuditMetadata(try auditFields())
  }

  fileprivate func auditFields() throws -> [String: AuditValue] {
    var fields: [String: AuditValue] = [:]
    for (name, value) in try self.fields() { fields[name] = try AuditValue(value, name: name) }
    return fields
  }
}

extension BSONValue {
  fileprivate init(_ value: AuditValue) {
    self =
      switch value {
      case .null: .null
      case .bool(let flag): .bool(flag)
      case .number(let number): .double(number)
      case .string(let text): .string(text)
      case .list(let values): .array(values.map(BSONValue.init))
      case .object(let fields): .document(BSONDocument(fields))
      }
  }
}

extension AuditValue {
  /// Refuses what this service never writes.
  fileprivate init(_ value: BSONValue, name: String) throws {
    switch value {
    case .null: self = .null
    case .bool(let flag): self = .bool(flag)
    case .double(let number): self = .number(number)
    case .string(let text): self = .string(text)
    case .array(let values): self = .list(try values.map { try AuditValue($0, name: name) })
    case .document(let document): self = .object(try document.auditFields())
    default: throw MongoFailure.malformedDocument(name)
    }
  }
}
