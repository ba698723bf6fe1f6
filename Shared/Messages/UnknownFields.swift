internal import CProtobufC

/// Fields that came over the wire and are unknown to this version of the protos; they are written back after the
/// known ones.
public struct UnknownFields: Hashable, Sendable {
  struct Field: Hashable, Sendable {
    let number: UInt32
    let wireType: UInt32
    /// The encoded value without the tag, with the length prefix if the wire type has one.
    let payload: [UInt8]
  }

  var fields: [Field] = []

  public init() {}

  public var isEmpty: Bool { fields.isEmpty }

  /// The field numbers, in the order of the wire.
  public var numbers: [UInt32] { fields.map(\.number) }
}

extension UnknownFields {
  /// Copies what protobuf-c kept. Field number 0 does not exist, although protobuf-c would pass it on.
  init(_ base: ProtobufCMessage) throws(MessageFailure) {
    guard let first = base.unknown_fields else { return }
    for field in UnsafeBufferPointer(start: first, count: Int(base.n_unknown_fields)) {
      guard field.tag != 0 else { throw .malformed }
      let payload = [UInt8](UnsafeBufferPointer(start: field.data, count: field.len))
      fields.append(Field(number: field.tag, wireType: UInt32(field.wire_type.rawValue), payload: payload))
    }
  }

  func fill(_ base: inout ProtobufCMessage, _ arena: Arena) {
    guard !fields.isEmpty else { return }
    arena.countElements(fields.count)
    let copies = arena.make(ProtobufCMessageUnknownField.self, count: fields.count)
    for (index, field) in fields.enumerated() {
      let payload = arena.binary(field.payload)
      copies[index].tag = field.number
      copies[index].wire_type = ProtobufCWireType(rawValue: field.wireType)
      copies[index].len = payload.len
      copies[index].data = payload.data
    }
    base.n_unknown_fields = UInt32(fields.count)
    base.unknown_fields = copies
  }
}
