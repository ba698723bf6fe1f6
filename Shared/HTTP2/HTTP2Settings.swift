/// What one end of a connection grants the other, and how much of the other's nonsense it bears.
public struct HTTP2Settings: Sendable {
  /// Streams the peer may have open at a time. More are refused with REFUSED_STREAM, even before the peer has
  /// acknowledged the setting.
  public var concurrentStreamsMax = 1_000
  /// Name and value bytes plus 32 per field of one block. nghttp2 only tells the peer; the engine counts.
  public var headerListBytesMax = 16 << 10
  public var headerFieldsMax = 100
  /// What may be under way on one stream. 4 MiB in a round trip of 50 ms is 80 MB/s on a single stream, and holds
  /// the largest message of the default limit.
  public var streamWindowBytes = 4 << 20
  /// What may be under way on all streams together: 16 MiB in 50 ms is 320 MB/s.
  public var connectionWindowBytes = 16 << 20
  /// RST_STREAM frames of the peer (CVE-2023-44487): so many at once, and so many per second in the long run. A
  /// caller with a full connection may cancel all of it at once, and when a server is overloaded every deadline that
  /// passes is such a frame: losing the connection then would make it worse. What resets cannot buy is running
  /// handlers, because a stream keeps its place until its handler has ended; a thousand per second cost their server
  /// less than a hundredth of one core.
  public var peerResetsBurst: UInt64 = 2_000
  public var peerResetsPerSecond: UInt64 = 1_000
  /// CONTINUATION frames of one header block: sixteen KiB of fields fit two frames.
  public var continuationsMax = 8
  /// SETTINGS entries of one frame; seven are defined.
  public var settingsEntriesMax = 32
  /// PING and SETTINGS acknowledgements waiting to be sent.
  public var queuedAcknowledgementsMax = 1_000
  /// Frames of the peer that were invalid or carried nothing, and resets that it provoked (CVE-2025-8671, empty
  /// DATA), per connection and reporting period, before the connection is given up. A frame that is invalid and
  /// provokes a reset counts twice.
  public var oddFramesMax = 1_000
  /// Frames of a client that carry neither headers nor data nor window (SETTINGS, PING, PRIORITY, unknown ones), per
  /// reporting period. A sane client sends a handful; each SETTINGS frame makes this end visit every open stream.
  public var controlFramesMax = 1_000

  public init() {}

  /// A peer that takes less than this in the time a stalled write is borne only keeps the stream occupied: a sane one
  /// opens its window by more than this at a time.
  static let stallBytes = 4 << 10

  /// A little less than the 64 KiB that nghttp2 refuses to send, and then only after it has taken the block.
  static let sentHeaderBytesMax = 60 << 10
}
