/// The response bytes of a call that nobody has taken, and the message that is being put together from them.
///
/// Bytes stay as they came until somebody asks for a message: so what a slow reader holds is bounded by the window,
/// however far it would expand.
struct ResponseInbox {
  private var assembler: MessageAssembler
  private var backlog: [UInt8] = []
  private var offset = 0
  /// Messages that were handed out.
  private(set) var messages = 0

  init(bytesMax: Int) {
    assembler = MessageAssembler(bytesMax: bytesMax)
  }

  /// What a set compressed-flag means.
  var encoding: MessageEncoding {
    get { assembler.encoding }
    set { assembler.encoding = newValue }
  }

  /// True when nothing of a message is here.
  var isEmpty: Bool { backlog.isEmpty && assembler.isIdle }

  /// Keeps what came, for `next`.
  mutating func keep(_ bytes: RawSpan) {
    if offset > backlog.count / 2 {
      backlog.removeSubrange(..<offset)  // Or a reader that is always a little behind would keep everything.
      offset = 0
    }
    bytes.withUnsafeBytes { backlog.append(contentsOf: $0) }
  }

  /// The next whole message from what is kept, and how many bytes were taken for it or for a part of it.
  mutating func next() throws(MessageAssembler.Refusal) -> (message: [UInt8]?, takenBytes: Int) {
    let begin = offset
    guard begin < backlog.count else { return (nil, 0) }
    let bytes = backlog
    let message = try assembler.next(in: bytes.span.bytes, from: &offset)
    let taken = offset - begin
    if message != nil { messages += 1 }
    if offset == backlog.count {
      backlog = []
      offset = 0
    }
    return (message, taken)
  }

  /// The next whole message from bytes that just came, when nothing is kept.
  mutating func next(in bytes: RawSpan, from offset: inout Int) throws(MessageAssembler.Refusal) -> [UInt8]? {
    guard let message = try assembler.next(in: bytes, from: &offset) else { return nil }
    messages += 1
    return message
  }

  mutating func discard() {
    backlog = []
    offset = 0
  }

  var hasBacklog: Bool { !backlog.isEmpty }

  /// Bytes in memory, those included that were taken and not yet forgotten.
  var heldBytes: Int { backlog.count }
}
