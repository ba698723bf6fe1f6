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
  /// Bytes not yet handed out.
  private(set) var queuedBytes = 0
  /// What holds them, and those of a frame that is about to be written; the first chunk from `offset`. Nearly every
  /// stream sends exactly one chunk.
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

  var isDrained: Bool { queuedBytes == 0 }

  mutating func append(_ bytes: [UInt8]) {
    queuedBytes += bytes.count
    if offset == chunk.count, laterChunks.isEmpty {
      chunk = bytes
      offset = 0
    } else {
      laterChunks.append(bytes)
    }
  }

  /// Hands out up to `count` bytes, which `copy` writes; returns how many.
  mutating func handOut(_ count: Int) -> Int {
    let part = min(count, queuedBytes)
    queuedBytes -= part
    handedOut &+= part
    if queuedBytes == 0 { stallSince = 0 }
    return part
  }

  /// Copies bytes that were handed out and fill `target`.
  mutating func copy(to target: UnsafeMutableRawBufferPointer) {
    var copied = 0
    while copied < target.count {
      if offset == chunk.count {
        guard !laterChunks.isEmpty else { preconditionFailure("only what was handed out is copied") }
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
    if offset == chunk.count, laterChunks.isEmpty {
      chunk = []  // A stream may stay open long after its answer.
      offset = 0
    }
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

/// The memory that an engine writes frames to while it is drained.
struct OutputRoom {
  /// How an attempt to fill it ended.
  enum Step: Equatable {
    /// There is nothing more to write.
    case done
    /// There may be more, for which this room is too small.
    case full
    case failed(code: Int32)
  }

  private var target = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  private(set) var count = 0

  mutating func begin(_ target: UnsafeMutableRawBufferPointer) {
    self.target = target
    count = 0
  }

  mutating func end() {
    target = UnsafeMutableRawBufferPointer(start: nil, count: 0)
  }

  /// True if any frame fits.
  var isRoomy: Bool { target.count - count >= OutputRoom.frameBytesMax }

  mutating func write(_ bytes: UnsafeRawBufferPointer) {
    take(bytes.count).copyMemory(from: bytes)
  }

  /// The next `size` bytes, to be filled by the caller.
  mutating func take(_ size: Int) -> UnsafeMutableRawBufferPointer {
    let part = UnsafeMutableRawBufferPointer(rebasing: target[count..<count + size])
    count += size
    return part
  }

  /// A frame of the size that every peer must take (RFC 9113, 4.2), which nghttp2 never exceeds, with its header and a
  /// little to spare.
  static let frameBytesMax = (16 << 10) + 64
}
