internal import CNghttp2

/// What an engine knows of one stream: its id, and the bytes that wait to be sent on it.
struct StreamRecord {
  /// 0 while the slot is free.
  var id: Int32 = 0
  /// The final head has arrived (client).
  var hasHead = false
  /// The request never went out, because the connection had begun to close (client).
  var isUnsent = false
  /// This end's code has asked for the reset.
  var isResetHere = false
  /// nghttp2 was told that there is nothing to send now, and must be woken.
  var isDeferred = false
  /// This end's last frame has gone out.
  var hasSentEnd = false
  /// The peer is asked to stop as soon as it has.
  var stopsPeer = false
  /// Nothing further will be queued.
  var isFinished = false
  var trailers: Trailers = .none
  /// Bytes not yet handed out; the first chunk from `offset`. Nearly every stream sends exactly one chunk.
  private var chunk: [UInt8] = []
  private var offset = 0
  private var laterChunks: [[UInt8]] = []
  private var handedOut = 0
  /// What had been handed out when the peer was found not to let enough through, and when that was; 0 for never.
  private var stallMark = 0
  private var stallSince: UInt64 = 0

  enum Trailers {
    case none
    case prepared(StaticHeaders)
    case fields(HeaderList)
  }

  var isDrained: Bool { offset == chunk.count && laterChunks.isEmpty }

  var queuedBytes: Int { laterChunks.reduce(chunk.count - offset) { $0 + $1.count } }

  mutating func append(_ bytes: [UInt8]) {
    if isDrained {
      chunk = bytes
      offset = 0
    } else {
      laterChunks.append(bytes)
    }
  }

  /// Copies as much as fits into `target`; returns how much that was.
  mutating func copy(to target: UnsafeMutableRawBufferPointer) -> Int {
    var copied = 0
    while copied < target.count, !isDrained {
      if offset == chunk.count {
        chunk = laterChunks.removeFirst()
        offset = 0
      }
      let part = min(target.count - copied, chunk.count - offset)
      chunk.withUnsafeBytes { source in
        UnsafeMutableRawBufferPointer(rebasing: target[copied...]).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: source[offset..<offset + part]))
      }
      offset += part
      copied += part
    }
    handedOut &+= copied
    if isDrained {
      chunk = []  // A stream may stay open long after its answer.
      offset = 0
      stallSince = 0
    }
    return copied
  }

  /// Looked at from time to time: true when something has waited for `limit` and hardly any of it has gone.
  mutating func isStalled(now: UInt64, limit: UInt64) -> Bool {
    guard id != 0, !isDrained else { return false }
    guard stallSince != 0, handedOut &- stallMark < HTTP2Settings.stallBytes else {
      stallSince = now
      stallMark = handedOut
      return false
    }
    return now - stallSince >= limit
  }
}
