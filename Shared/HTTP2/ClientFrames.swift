internal import CNghttp2

/// What a server remembers of its client's frames because nghttp2 does not.
///
/// nghttp2 forgets a stream when it closes, so it ignores whatever comes for an id that it does not know: it cannot
/// tell a frame that crossed our RST_STREAM, which is right, from one for a stream that the client itself has ended
/// or passed over, which is an error of the connection (RFC 9113, 5.1 and 5.1.1). Here the ids of the first kind are
/// remembered, which are few, so that everything else is of the second.
struct ClientFrames {
  private var scanner = FrameScanner(skipping: FrameScanner.prefaceBytes)
  /// The highest id that the client has opened, and what it was when nghttp2 was last given input.
  private var lastID: Int32 = -1
  private var givenID: Int32 = -1
  /// One bit for every stream that may have ended since then; several share one.
  private var ended: UInt64 = 0
  /// Streams that this end has reset or refused: the latest of them, as a ring.
  private var forsaken: [Int32] = []
  private var forsakenNext = 0
  /// Up to here an id may have been forsaken and forgotten.
  private var forgottenID: Int32 = 0
  /// Ids that the client has passed over: the latest gaps.
  private var gaps: [ClosedRange<Int32>] = []
  /// Streams above it are ignored: GOAWAY has said so.
  private(set) var goAwayID = Int32.max
  private var lastIsHeaders = false
  private var isBlockOpen = false
  /// Blocks of header fields that have begun, to tell them apart.
  private(set) var blocksBegun: UInt32 = 0
  /// Frames without data or headers that the client has sent in this period.
  private(set) var controlFrames = 0

  private static let forsakenMax = 256
  private static let gapsMax = 8

  private static let data = UInt8(NGHTTP2_DATA.rawValue)
  private static let headers = UInt8(NGHTTP2_HEADERS.rawValue)
  private static let reset = UInt8(NGHTTP2_RST_STREAM.rawValue)
  private static let windowUpdate = UInt8(NGHTTP2_WINDOW_UPDATE.rawValue)
  private static let continuation = UInt8(NGHTTP2_CONTINUATION.rawValue)
  private static let endStream = UInt8(NGHTTP2_FLAG_END_STREAM.rawValue)
  private static let endHeaders = UInt8(NGHTTP2_FLAG_END_HEADERS.rawValue)

  /// A block of header fields has begun and is not complete.
  var isReadingHeaders: Bool { isBlockOpen || (lastIsHeaders && scanner.ahead > 0) }

  mutating func forgetCounts() {
    controlFrames = 0
  }

  /// The next frame that belongs to a stream which may be closed. `isOpen` tells whether nghttp2 knew it as open when
  /// it was last given input.
  mutating func nextDoubtful(
    in bytes: UnsafeRawBufferPointer, from offset: inout Int, isOpen: (Int32) -> Bool
  ) -> FrameHeader? {
    while let frame = scanner.next(in: bytes, from: &offset) {
      lastIsHeaders = frame.type == ClientFrames.headers || frame.type == ClientFrames.continuation
      isBlockOpen = lastIsHeaders && frame.flags & ClientFrames.endHeaders == 0
      var isDoubtful = false
      switch frame.type {
      case ClientFrames.headers:
        blocksBegun &+= 1
        if frame.id > lastID {
          note(opened: frame.id)
        } else {
          isDoubtful = mayBeClosed(frame.id, isOpen)
        }
        if frame.flags & ClientFrames.endStream != 0 { ended |= ClientFrames.bit(frame.id) }
      case ClientFrames.data:
        isDoubtful = frame.id <= lastID && mayBeClosed(frame.id, isOpen)
        if frame.flags & ClientFrames.endStream != 0 { ended |= ClientFrames.bit(frame.id) }
      case ClientFrames.reset: ended |= ClientFrames.bit(frame.id)
      case ClientFrames.windowUpdate, ClientFrames.continuation: break
      default: controlFrames += 1
      }
      if isDoubtful { return frame }
    }
    return nil
  }

  /// nghttp2 has been given all frames so far.
  mutating func given() {
    givenID = lastID
    ended = 0
  }

  private mutating func note(opened id: Int32) {
    if id > lastID + 2 {
      if gaps.count == ClientFrames.gapsMax { gaps.removeFirst() }
      gaps.append(lastID + 2...id - 1)
    }
    lastID = id
  }

  /// Even ids are never a client's; nghttp2 sees to them.
  private func mayBeClosed(_ id: Int32, _ isOpen: (Int32) -> Bool) -> Bool {
    guard id & 1 == 1 else { return false }
    guard ended & ClientFrames.bit(id) == 0 else { return true }
    guard id <= givenID else { return isInGap(id) }  // Else it was opened by one of the frames just before.
    return !isOpen(id)
  }

  private func isInGap(_ id: Int32) -> Bool { gaps.contains { $0.contains(id) } }

  private static func bit(_ id: Int32) -> UInt64 { 1 << (UInt64(truncatingIfNeeded: id) >> 1 & 63) }

  // MARK: Closed streams

  /// What to make of a frame for a stream that is closed.
  enum Verdict {
    /// The client could not know.
    case late
    /// The client must have known; the stream alone is to blame.
    case streamClosed
    case connectionClosed
    /// The id is lower than an earlier one and was never used.
    case neverOpened
  }

  func verdict(on frame: FrameHeader) -> Verdict {
    let id = frame.id
    if id > goAwayID || id <= forgottenID || forsaken.contains(id) { return .late }
    // A block of headers that nobody reads would put both ends' compression out of step.
    guard frame.type == ClientFrames.headers else { return .streamClosed }
    return isInGap(id) ? .neverOpened : .connectionClosed
  }

  /// This end has given the stream up, which the client learns in a round trip.
  mutating func forsake(_ id: Int32) {
    guard forsaken.count == ClientFrames.forsakenMax else { return forsaken.append(id) }
    forgottenID = max(forgottenID, forsaken[forsakenNext])
    forsaken[forsakenNext] = id
    forsakenNext = (forsakenNext + 1) % ClientFrames.forsakenMax
  }

  mutating func goAway(after id: Int32) {
    goAwayID = min(goAwayID, id)
  }
}
