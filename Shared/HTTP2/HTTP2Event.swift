/// A stream's place in its engine: valid from the event or call that opened it until its `closed` event is taken.
public struct StreamSlot: Hashable, Sendable {
  let index: Int32

  public var number: Int { Int(index) }
}

/// Something that happened on a connection. Plain numbers: what they point to is asked of the engine, or lies in
/// the input that was just received.
public struct HTTP2Event: Sendable {
  public enum Kind: UInt8, Sendable {
    /// The head of a request (server) or the final head of a response (client): `headers(of:)`.
    case head
    /// A head that exceeded the limits; its fields were dropped.
    case oversizedHead
    /// Fields after the body: `headers(of:)`.
    case trailers
    /// Fields after the body that exceeded the limits; what did not fit was dropped.
    case oversizedTrailers
    /// Bytes of a body: `dataRange`, perhaps empty.
    case data
    /// All that was queued on the stream has been handed out, and more may follow.
    case drained
    /// The stream is over; `code` says how. Last event of its slot.
    case closed
    /// The peer's SETTINGS arrived.
    case settings
    /// The peer asks for a sign of life, which it gets by itself.
    case ping
    /// The peer has answered one of ours: `ping` says which.
    case pingAcknowledged
    /// The peer opens or accepts no further stream; `code` says why.
    case goAway
    /// The peer sent more odd frames, or more that carry nothing, than a sane one would.
    case misbehaved
  }

  public let kind: Kind
  /// Nothing follows from the peer on this stream.
  public internal(set) var isEnd = false
  public let slot: StreamSlot
  public var code = HTTP2ErrorCode.noError
  var first: Int32 = 0
  var count: Int32 = 0

  init(_ kind: Kind, slot: Int32 = -1) {
    self.kind = kind
    self.slot = StreamSlot(index: slot)
  }

  /// What an acknowledged ping was for; nil for one that this end did not send.
  public var ping: HTTP2Ping? { HTTP2Ping(rawValue: UInt8(truncatingIfNeeded: first)) }

  /// Where the bytes lie in the input.
  public var dataRange: Range<Int> { Int(first)..<Int(first) + Int(count) }
}

/// Why this end asked its peer for a sign of life.
public enum HTTP2Ping: UInt8, Sendable {
  /// To know that the announcement of the end has been seen.
  case drain = 1
  /// To know that the peer is there.
  case keepalive = 2

  private static let mark = Array("mobo/1".utf8) + [0]

  /// The eight bytes that go out and come back.
  var bytes: [UInt8] { HTTP2Ping.mark + [rawValue] }

  init?(_ bytes: some Sequence<UInt8>) {
    let bytes = Array(bytes)
    guard bytes.starts(with: HTTP2Ping.mark), let last = bytes.last else { return nil }
    self.init(rawValue: last)
  }
}
