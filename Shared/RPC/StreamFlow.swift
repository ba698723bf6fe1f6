/// What a streaming call keeps between its peer and its handler: request bytes that nobody has taken, the handler's
/// part that waits, and how much of the answer has not gone out.
///
/// Request bytes stay as they came until the handler asks for a message, and their window is given back with it. So
/// a stream never holds more than its window and the one message being put together.
///
/// Belongs to the event loop of its call.
final class StreamFlow {
  /// Where a reader or a writer waits.
  typealias Waiter = CheckedContinuation<Void, any Error>

  /// A message that was there before the handler began; the only one then.
  private var first: [UInt8]?
  /// Bytes that have arrived and are not assembled, from `offset` on.
  private(set) var backlog: [UInt8] = []
  private var offset = 0
  /// The peer sends nothing more.
  private(set) var isRequestDone: Bool
  /// Bytes of the answer that were queued since the stream last had none.
  private(set) var unsentBytes = 0
  private(set) var sentMessages = 0
  /// The call is over.
  private(set) var isEnded = false
  private var reader: Waiter?
  private var writers: [Waiter] = []

  init(isRequestDone: Bool) {
    self.isRequestDone = isRequestDone
  }

  init(message: [UInt8]) {
    first = message
    isRequestDone = true
  }

  // MARK: Reading

  var isAwaited: Bool { reader != nil }

  func takeFirst() -> [UInt8]? {
    defer { first = nil }
    return first
  }

  /// Keeps what came, and wakes the reader.
  func receive(_ bytes: RawSpan, isEnd: Bool) {
    if bytes.byteCount > 0 {
      if offset == backlog.count {
        backlog.removeAll(keepingCapacity: backlog.capacity <= StreamFlow.keptBytesMax)
        offset = 0
      } else if offset > backlog.count / 2 {
        backlog.removeSubrange(..<offset)  // Or a handler that is always a little behind would keep everything.
        offset = 0
      }
      bytes.withUnsafeBytes { backlog.append(contentsOf: $0) }
    }
    if isEnd { isRequestDone = true }
    wakeReader()
  }

  /// The next message of the backlog, and how many bytes were taken from it, for a message or a part of one.
  func assemble(
    _ assembler: inout MessageAssembler
  ) throws(MessageAssembler.Refusal) -> (message: [UInt8]?, takenBytes: Int) {
    let begin = offset
    guard begin < backlog.count else { return (nil, 0) }
    let bytes = backlog
    let message = try assembler.next(in: bytes.span.bytes, from: &offset)
    return (message, offset - begin)
  }

  /// Waits as the one reader; resumes by `wakeReader`. False if there is a reader already.
  func await(reader waiter: Waiter) -> Bool {
    guard reader == nil else { return false }
    reader = waiter
    return true
  }

  private func wakeReader() {
    guard let waiter = reader else { return }
    reader = nil
    waiter.resume()
  }

  func cancelReader() {
    guard let waiter = reader else { return }
    reader = nil
    waiter.resume(throwing: CancellationError())
  }

  // MARK: Writing

  func wrote(_ bytes: Int) {
    unsentBytes += bytes
    sentMessages += 1
  }

  func await(writer waiter: Waiter) {
    writers.append(waiter)
  }

  /// Everything that was queued has gone out.
  func drained() {
    unsentBytes = 0
    wakeWriters()
  }

  /// Lets all writers look again whether they may go on, or whether they are cancelled.
  func wakeWriters() {
    let waiters = writers
    writers = []
    for waiter in waiters { waiter.resume() }
  }

  // MARK: The end

  /// Lets nobody wait any longer. Returns how many bytes nobody will take.
  func end() -> Int {
    isEnded = true
    let rest = backlog.count - offset
    backlog = []
    offset = 0
    first = nil
    cancelReader()
    wakeWriters()
    return rest
  }

  /// What an idle stream keeps for its next bytes.
  private static let keptBytesMax = 16 << 10
}
