internal import CProtobufC

/// Looks at the bytes of a message before protobuf-c does, which recurses without a limit.
///
/// Only what the bytes could really do is looked for: a type that cannot contain itself has a depth of its own, and a
/// message shorter than two bytes per field cannot have too many of them. Most messages are therefore not scanned.
enum WireScan {
  static func check(
    _ bytes: UnsafeRawBufferPointer, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, isRecursive: Bool
  ) throws(MessageFailure) {
    let canBeTooDeep = isRecursive && bytes.count >= 2 * MessageLimits.depthMax
    let canBeTooLarge = bytes.count >= MessageLimits.fieldsMax
    guard canBeTooDeep || canBeTooLarge else { return }
    var scan = Scan(bytes: bytes, countsAll: canBeTooLarge)
    try scan.message(from: 0, to: bytes.count, descriptor, depth: 1)
  }

  private struct Scan {
    let bytes: UnsafeRawBufferPointer
    /// False when the whole message is too short to have too many fields: only long nested messages matter then.
    let countsAll: Bool
    var fields = 0

    /// Recursion ends at `MessageLimits.depthMax`.
    mutating func message(
      from start: Int, to end: Int, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int
    ) throws(MessageFailure) {
      guard depth <= MessageLimits.depthMax else { throw .tooDeep }
      var position = start
      while position < end {
        fields += 1
        guard fields <= MessageLimits.fieldsMax else { throw .tooLarge }
        let tag = try varint(&position, end)
        guard let number = UInt32(exactly: tag >> 3), number > 0 else { throw .malformed }
        switch tag & 7 {
        case 0: _ = try varint(&position, end)
        case 1: try skip(8, &position, end)
        case 2:
          let length = try varint(&position, end)
          guard length <= UInt64(end - position) else { throw .malformed }
          let next = position + Int(length)
          // A level takes at least two bytes.
          if countsAll || length >= 2 * UInt64(MessageLimits.depthMax - depth) {
            try payload(of: number, from: position, to: next, descriptor, depth: depth)
          }
          position = next
        case 5: try skip(4, &position, end)
        default: throw .malformed  // Groups, which proto3 does not have.
        }
      }
    }

    private mutating func payload(
      of number: UInt32, from start: Int, to end: Int, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
      depth: Int
    ) throws(MessageFailure) {
      guard let field = protobuf_c_message_descriptor_get_field(descriptor, number) else { return }
      if field.pointee.type == PROTOBUF_C_TYPE_MESSAGE, let inner = field.pointee.descriptor {
        let nested = inner.assumingMemoryBound(to: ProtobufCMessageDescriptor.self)
        try message(from: start, to: end, nested, depth: depth + 1)
      } else if field.pointee.label == PROTOBUF_C_LABEL_REPEATED, field.pointee.type != PROTOBUF_C_TYPE_BYTES {
        // A packed list: every element takes at least a byte.
        fields += end - start
        guard fields <= MessageLimits.fieldsMax else { throw .tooLarge }
      }
    }

    private func varint(_ position: inout Int, _ end: Int) throws(MessageFailure) -> UInt64 {
      if position < end, bytes[position] < 0x80 {
        position += 1
        return UInt64(bytes[position - 1])
      }
      var value: UInt64 = 0
      for shift in stride(from: 0, through: 63, by: 7) {
        guard position < end else { throw .malformed }
        let byte = bytes[position]
        position += 1
        value |= UInt64(byte & 0x7F) << UInt64(shift)
        if byte < 0x80 { return value }
      }
      throw .malformed
    }

    private func skip(_ count: Int, _ position: inout Int, _ end: Int) throws(MessageFailure) {
      guard count <= end - position else { throw .malformed }
      position += count
    }
  }
}
