internal import CProtobufC

/// A message that has a C struct of protobuf-c behind it. Internal: the C structs never leave this module.
protocol WireMessage: Message {
  associatedtype CStruct

  static var descriptor: UnsafePointer<ProtobufCMessageDescriptor> { get }

  /// True when the type, or one inside it, can contain itself, so that only the bytes decide how deep it nests.
  static var isRecursive: Bool { get }

  init(c: UnsafeMutablePointer<CStruct>) throws(MessageFailure)

  /// Fills a zeroed struct, whose pointers are valid until the arena is left.
  func fill(_ c: UnsafeMutablePointer<CStruct>, _ arena: Arena)
}

enum WireCodec {
  static func decode<M: WireMessage>(_ bytes: UnsafeRawBufferPointer) throws(MessageFailure) -> M {
    guard bytes.count <= MessageLimits.bytesMax else { throw .tooLarge }
    try WireScan.check(bytes, M.descriptor, isRecursive: M.isRecursive)
    let bytesMax = MessageLimits.arenaBytesMax(forMessageOf: bytes.count)
    let arena = Arena.enter(bytesMax: bytesMax)
    defer { arena.leave() }
    let data = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
    guard let base = protobuf_c_message_unpack(M.descriptor, arena.allocator, bytes.count, data) else {
      throw arena.wasRefused ? .tooLarge : .malformed
    }
    return try M(c: UnsafeMutableRawPointer(base).assumingMemoryBound(to: M.CStruct.self))
  }

  /// The message, behind `room` bytes for the caller to fill.
  static func encode<M: WireMessage>(_ message: M, behind room: Int) throws(MessageFailure) -> [UInt8] {
    let arena = Arena.enter()
    defer { arena.leave() }
    let filled = arena.make(M.CStruct.self)
    message.fill(filled, arena)
    let base = UnsafeMutableRawPointer(filled).assumingMemoryBound(to: ProtobufCMessage.self)
    return try pack(base, arena, behind: room)
  }

  /// Asking protobuf-c for the size costs as much as packing: where an upper bound is small, that much is taken.
  private static let boundBytesMax = 16 << 10

  private static func pack(
    _ base: UnsafePointer<ProtobufCMessage>, _ arena: Arena, behind room: Int
  ) throws(MessageFailure) -> [UInt8] {
    let bytesMax = arena.encodedBytesMax
    if bytesMax <= boundBytesMax {
      return [UInt8](unsafeUninitializedCapacity: room + bytesMax) { buffer, count in
        let size = protobuf_c_message_pack(base, buffer.baseAddress?.advanced(by: room))
        assert(size <= bytesMax)
        buffer.extracting(..<room).initialize(repeating: 0)
        count = room + size
      }
    }
    let size = protobuf_c_message_get_packed_size(base)
    guard size <= MessageLimits.bytesMax else { throw .tooLarge }
    return [UInt8](unsafeUninitializedCapacity: room + size) { buffer, count in
      buffer.extracting(..<room).initialize(repeating: 0)
      count = room + protobuf_c_message_pack(base, buffer.baseAddress?.advanced(by: room))
    }
  }
}
