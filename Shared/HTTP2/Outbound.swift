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
  /// Nothing further will be queued.
  var isFinished = false
  /// Everything has been handed to nghttp2, the end included.
  var isHandedOut = false
  var trailers: Trailers = .none
  /// Bytes not yet handed out; the first chunk from `offset`. Nearly every stream sends exactly one chunk.
  private var chunk: [UInt8] = []
  private var offset = 0
  private var laterChunks: [[UInt8]] = []

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
    if isDrained {
      chunk = []  // A stream may stay open long after its answer.
      offset = 0
    }
    return copied
  }
}
