/// The header of one frame (RFC 9113, 4.1).
struct FrameHeader {
  let length: Int
  let type: UInt8
  let flags: UInt8
  let id: Int32
  /// Where the header begins in the input, or 0 if that was in an earlier one.
  let start: Int
}

/// Finds the frame headers in the bytes of one peer, however they are cut into inputs.
struct FrameScanner {
  static let headerBytes = 9
  /// "PRI * HTTP/2.0…": what a client sends before its first frame.
  static let prefaceBytes = 24

  /// What is left of the preface or of the payload of the last frame.
  private(set) var ahead: Int
  /// The first bytes of a header that was cut, and how many they are.
  private var cut: UInt64 = 0
  private var cutCount = 0

  init(skipping count: Int) {
    ahead = count
  }

  /// The next frame that begins or whose header ends in `bytes` from `offset` on, which moves behind the header; nil
  /// when all is read.
  mutating func next(in bytes: UnsafeRawBufferPointer, from offset: inout Int) -> FrameHeader? {
    let passed = min(ahead, bytes.count - offset)
    ahead -= passed
    offset += passed
    guard ahead == 0, offset < bytes.count else { return nil }
    let start = offset
    if cutCount == 0, bytes.count - offset >= FrameScanner.headerBytes {
      let word = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
      offset += FrameScanner.headerBytes
      return begin(word, bytes[offset - 1], start)
    }
    while offset < bytes.count {
      let byte = bytes[offset]
      offset += 1
      if cutCount == FrameScanner.headerBytes - 1 {
        cutCount = 0
        return begin(cut, byte, max(offset - FrameScanner.headerBytes, 0))
      }
      cut = cut << 8 | UInt64(byte)
      cutCount += 1
    }
    return nil
  }

  private mutating func begin(_ word: UInt64, _ last: UInt8, _ start: Int) -> FrameHeader {
    let length = Int(word >> 40)
    ahead = length
    let id = (UInt32(truncatingIfNeeded: word) << 8 | UInt32(last)) & 0x7FFF_FFFF
    return FrameHeader(
      length: length, type: UInt8(truncatingIfNeeded: word >> 32), flags: UInt8(truncatingIfNeeded: word >> 24),
      id: Int32(id), start: start)
  }
}
