/// Puts messages together from whatever pieces the network makes of them.
///
/// A message that is too large is refused from its length prefix, before anything of it is kept.
struct MessageAssembler {
  /// Why the bytes of a peer are not taken any further.
  enum Refusal: Error, Hashable {
    case tooLarge(bytes: Int, bytesMax: Int)
    /// The compressed-flag is set, but no compression has been agreed on.
    case compressed
    case malformedFlag(UInt8)
    case decompression(DecompressionFailure)
  }

  /// What a set compressed-flag means.
  var encoding = MessageEncoding.identity

  private let bytesMax: Int
  private var prefix: UInt64 = 0
  private var prefixCount = 0
  private var expected = 0
  /// Whether the last message came compressed.
  private(set) var isCompressed = false
  private var body: [UInt8] = []

  init(bytesMax: Int) {
    self.bytesMax = bytesMax
  }

  /// True between messages.
  var isIdle: Bool { prefixCount == 0 }

  /// Bytes kept for a message that is not complete.
  var heldBytes: Int { body.count }

  /// The next whole message in `bytes` from `offset` on, which moves behind it; nil when they are used up.
  mutating func next(in bytes: RawSpan, from offset: inout Int) throws(Refusal) -> [UInt8]? {
    if prefixCount == 0, bytes.byteCount - offset >= Framing.prefixBytes {
      let flag = bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
      let length = bytes.unsafeLoadUnaligned(fromByteOffset: offset + 1, as: UInt32.self)
      prefix = UInt64(flag) << 32 | UInt64(UInt32(bigEndian: length))
      prefixCount = Framing.prefixBytes
      offset += Framing.prefixBytes
      try readPrefix()
    }
    while prefixCount < Framing.prefixBytes {
      guard offset < bytes.byteCount else { return nil }
      prefix = prefix << 8 | UInt64(bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
      prefixCount += 1
      offset += 1
      if prefixCount == Framing.prefixBytes { try readPrefix() }
    }
    let part = min(expected - body.count, bytes.byteCount - offset)
    let piece = bytes.extracting(offset..<offset + part)
    offset += part
    guard body.count + part == expected else {
      if body.isEmpty { body.reserveCapacity(min(expected, Limits.assemblyReserveMax)) }
      piece.withUnsafeBytes { body.append(contentsOf: $0) }
      return nil
    }
    let message = takeBody(endingWith: piece)
    prefix = 0
    prefixCount = 0
    return isCompressed ? try decompressed(message) : message
  }

  /// Nearly every message is one piece.
  private mutating func takeBody(endingWith piece: RawSpan) -> [UInt8] {
    guard !body.isEmpty else { return piece.withUnsafeBytes { Array($0) } }
    piece.withUnsafeBytes { body.append(contentsOf: $0) }
    defer { body = [] }
    return body
  }

  private mutating func readPrefix() throws(Refusal) {
    switch UInt8(truncatingIfNeeded: prefix >> 32) {
    case 0: isCompressed = false
    case 1 where encoding != .identity: isCompressed = true
    case 1: throw .compressed
    case let flag: throw .malformedFlag(flag)
    }
    expected = Int(UInt32(truncatingIfNeeded: prefix))
    guard expected <= bytesMax else { throw .tooLarge(bytes: expected, bytesMax: bytesMax) }
  }

  /// The limit is the same before and after: a message is not excused by how small it was made.
  private func decompressed(_ message: [UInt8]) throws(Refusal) -> [UInt8] {
    do throws(DecompressionFailure) {
      return try encoding.decompress(message, bytesMax: bytesMax)
    } catch {
      throw .decompression(error)
    }
  }
}

extension RPCError {
  init(_ refusal: MessageAssembler.Refusal) {
    switch refusal {
    case .tooLarge(let bytes, let bytesMax):
      self.init(.resourceExhausted, "a message of \(bytes) bytes exceeds the limit of \(bytesMax)")
    case .compressed: self.init(.internal, "a message is compressed, but no grpc-encoding says how")
    case .malformedFlag(let flag): self.init(.internal, "a message begins with the unknown flag \(flag)")
    case .decompression(let failure): self.init(failure)
    }
  }
}
