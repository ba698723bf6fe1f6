/// The header fields of all blocks of one input, as the callbacks record them.
///
/// Blocks never interleave (RFC 9113, 4.3), so the block being received is always the last one.
struct HeaderBlock {
  private(set) var bytes: [UInt8] = []
  private var start = 0
  private var listBytes = 0
  private var fieldCount = 0
  private(set) var isOversized = false
  private var last = HeaderList()
  /// The last block is still being received: it may take several inputs.
  private var isOpen = false

  mutating func begin() {
    isOpen = true
    start = bytes.count
    listBytes = 0
    fieldCount = 0
    isOversized = false
  }

  /// False when the block has become so large that decoding more of it would itself be the harm: a small block can
  /// refer to large fields again and again.
  mutating func append(
    _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ settings: HTTP2Settings
  ) -> Bool {
    listBytes += name.count + value.count + HeaderList.fieldOverhead
    fieldCount += 1
    if listBytes > settings.headerListBytesMax || fieldCount > settings.headerFieldsMax {
      isOversized = true
      guard listBytes <= settings.headerListBytesMax * HeaderBlock.excessMax else {
        discard()  // nghttp2 skips the rest and never says that the block has ended.
        return false
      }
      return true
    }
    HeaderList.append(name, value, to: &bytes)
    return true
  }

  /// A block up to four times too large is read to its end, so that its sender gets a proper answer.
  private static let excessMax = 4

  /// Notes in `event` where the block lies, which has ended.
  mutating func finish(_ event: inout HTTP2Event) {
    isOpen = false
    event.first = Int32(clamping: start)
    event.count = Int32(clamping: bytes.count - start)
  }

  /// True if the finished block is an interim response (1xx), which is not the answer.
  var isInterim: Bool {
    // ":status" is the first field, and a pseudo-header cannot follow another field (RFC 9113, 8.3).
    let value = start + HeaderList.lengthsSize + 7
    return value < bytes.count && bytes[value] == UInt8(ascii: "1")
  }

  mutating func discard() {
    isOpen = false
    bytes.removeSubrange(start...)
  }

  /// The fields of a finished block. A peer's heads are often the same, call after call: the list of one that is like
  /// the last is the last.
  mutating func fields(of event: HTTP2Event) -> HeaderList {
    let range = Int(event.first)..<Int(event.first) + Int(event.count)
    if last.isHeld(in: bytes, at: range) { return last }
    let fields = HeaderList(encoded: Array(bytes[range]))
    if fields.isSmall { last = fields }
    return fields
  }

  /// Forgets the finished blocks.
  mutating func clear() {
    if isOpen {
      bytes.removeSubrange(..<start)
    } else {
      bytes.removeAll(keepingCapacity: bytes.capacity <= HeaderBlock.keptBytesMax)
    }
    start = 0
  }

  /// Gives back what was kept for the next blocks.
  mutating func rest() {
    guard !isOpen else { return }
    bytes = []
    last = HeaderList()
  }

  /// What a connection keeps for its next blocks. A burst of requests in one input may need more.
  private static let keptBytesMax = 64 << 10
}
