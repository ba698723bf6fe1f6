internal import CProtobufC

/// A message that has a C struct of protobuf-c behind it. Internal: the C structs never leave this module.
protocol WireMessage: Message {
  associatedtype CStruct

  static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> { get }

  /// True when the type can contain itself, so that only the bytes decide how deep it nests.
  static var isRecursive: Bool { get }

  init(c: UnsafeMutablePointer<CStruct>) throws(MessageFailure)

  /// Fills a zeroed struct, whose pointers are valid as long as the arena's scope.
  func fill(_ c: UnsafeMutablePointer<CStruct>, _ arena: Arena)
}

enum WireCodec {
  static func decode<M: WireMessage>(_ bytes: UnsafeRawBufferPointer) throws(MessageFailure) -> M {
    guard bytes.count <= MessageLimits.bytesMax else { throw .tooLarge }
    try WireScan.check(bytes, M.descriptor, isRecursive: M.isRecursive)
    let bytesMax = MessageLimits.arenaBytesMax(forMessageOf: bytes.count)
    return try Arena.scope(bytesMax: bytesMax) { arena throws(MessageFailure) in
      let data = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
      guard let base = protobuf_c_message_unpack(M.descriptor, arena.allocator, bytes.count, data) else {
        throw arena.wasRefused ? .tooLarge : .malformed
      }
      return try M(c: UnsafeMutableRawPointer(base).assumingMemoryBound(to: M.CStruct.self))
    }
  }

  static func encode<M: WireMessage>(_ message: M) throws(MessageFailure) -> [UInt8] {
    try Arena.scope { arena throws(MessageFailure) in
      let filled = arena.make(M.CStruct.self)
      message.fill(filled, arena)
      let base = UnsafeMutableRawPointer(filled).assumingMemoryBound(to: ProtobufCMessage.self)
      let size = protobuf_c_message_get_packed_size(base)
      guard size <= MessageLimits.bytesMax else { throw .tooLarge }
      guard size > 0 else { return [] }
      return [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
        count = protobuf_c_message_pack(base, buffer.baseAddress)
      }
    }
  }
}
