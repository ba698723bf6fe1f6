internal import CNghttp2

/// The header fields of all blocks of one input, as the callbacks record them.
///
/// Blocks never interleave (RFC 9113, 4.3), so the block being received is always the last one.
///
/// A peer's heads are often the same, call after call. So a block is first compared with an earlier one, field by
/// field, and only written down from where it differs. Fields of nghttp2's table come in the same memory every time:
/// those are told by their addresses.
struct HeaderBlock {
  private(set) var bytes: [UInt8] = []
  private var start = 0
  private var listBytes = 0
  private var fieldCount = 0
  private(set) var isOversized = false
  /// The block that others are compared with.
  private var model = HeaderList()
  /// Events that are not taken yet stand for the model.
  private var isModelReferred = false
  /// So far the block being received is what the model begins with, up to `likeBytes`.
  private var isLikeModel = false
  private var likeBytes = 0
  /// The last block is still being received: it may take several inputs.
  private var isOpen = false
  /// The first fields of the model as they last came, in memory that cannot become anything else while it is held here.
  private var held: ContiguousArray<HeldField> = []

  private struct HeldField {
    let name: OpaquePointer
    let value: OpaquePointer
    /// Where the field ends in the model.
    let end: Int
  }

  mutating func begin() {
    isOpen = true
    start = bytes.count
    listBytes = 0
    fieldCount = 0
    isOversized = false
    isLikeModel = !model.isEmpty
    likeBytes = 0
  }

  /// False when the block has become so large that decoding more of it would itself be the harm: a small block can
  /// refer to large fields again and again.
  mutating func append(_ nameBuffer: OpaquePointer, _ valueBuffer: OpaquePointer, _ settings: HTTP2Settings) -> Bool {
    if isLikeModel, fieldCount < held.count {
      let field = held[fieldCount]
      if field.name == nameBuffer, field.value == valueBuffer {
        fieldCount += 1
        likeBytes = field.end
        return true
      }
    }
    let name = HeaderBlock.bytes(nameBuffer)
    let value = HeaderBlock.bytes(valueBuffer)
    if isLikeModel {
      if model.hasField(name, value, at: &likeBytes) {
        hold(HeldField(name: nameBuffer, value: valueBuffer, end: likeBytes))
        fieldCount += 1
        return true
      }
      differ()
    }
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

  /// Remembers the field of the model at which the block has arrived as it has come now.
  private mutating func hold(_ field: HeldField) {
    nghttp2_rcbuf_incref(field.name)
    nghttp2_rcbuf_incref(field.value)
    guard fieldCount < held.count else { return held.append(field) }
    HeaderBlock.letGo(held[fieldCount])
    held[fieldCount] = field
  }

  private static func letGo(_ field: HeldField) {
    nghttp2_rcbuf_decref(field.name)
    nghttp2_rcbuf_decref(field.value)
  }

  /// To be called before the session is deleted.
  mutating func letGoOfFields() {
    held.forEach(HeaderBlock.letGo)
    held = []
  }

  private static func bytes(_ buffer: OpaquePointer) -> UnsafeRawBufferPointer {
    let vector = nghttp2_rcbuf_get_buf(buffer)
    return UnsafeRawBufferPointer(start: vector.base, count: vector.len)
  }

  /// Writes down what has been found to be like the model, which the block no longer is.
  private mutating func differ() {
    isLikeModel = false
    bytes.append(contentsOf: model.bytes[..<likeBytes])
    listBytes = likeBytes + fieldCount * (HeaderList.fieldOverhead - HeaderList.lengthsSize)
  }

  /// The block is complete.
  mutating func end() {
    isOpen = false
    if isLikeModel, likeBytes < model.bytes.count { differ() }
  }

  /// Notes in `event` where the block lies, which has ended.
  mutating func finish(_ event: inout HTTP2Event) {
    guard !isLikeModel else {
      isModelReferred = true
      event.first = HeaderBlock.atModel
      return
    }
    event.first = Int32(clamping: start)
    event.count = Int32(clamping: bytes.count - start)
  }

  private static let atModel: Int32 = -1

  /// True if the block that has ended is an interim response (1xx), which is not the answer, nor ever a model.
  var isInterim: Bool {
    guard !isLikeModel else { return false }
    // ":status" is the first field, and a pseudo-header cannot follow another field (RFC 9113, 8.3).
    let value = start + HeaderList.lengthsSize + 7
    return value < bytes.count && bytes[value] == UInt8(ascii: "1")
  }

  mutating func discard() {
    isOpen = false
    isLikeModel = false
    bytes.removeSubrange(start...)
  }

  /// The fields of a finished block: of one that is like the model, the model itself.
  mutating func fields(of event: HTTP2Event) -> HeaderList {
    guard event.first != HeaderBlock.atModel else { return model }
    let range = Int(event.first)..<Int(event.first) + Int(event.count)
    if model.isHeld(in: bytes, at: range) { return model }
    let fields = HeaderList(encoded: Array(bytes[range]))
    let isModelFree = !isModelReferred && !(isOpen && isLikeModel)
    if event.kind == .head, fields.isSmall, isModelFree {
      letGoOfFields()
      model = fields
    }
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
    isModelReferred = false
  }

  /// Gives back what was kept for the next blocks.
  mutating func rest() {
    guard !isOpen else { return }
    bytes = []
    letGoOfFields()
    model = HeaderList()
  }

  /// What a connection keeps for its next blocks. A burst of requests in one input may need more.
  private static let keptBytesMax = 64 << 10
}
