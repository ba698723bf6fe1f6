/// The bounds of the RPC runtime. Those a deployment may move are fields of a configuration that start from here.
public enum Limits {
  /// The largest message taken from a peer, before decompression. The usual default of gRPC, so a stock client
  /// that never touched its own limits can talk to us in both directions.
  public static let messageBytesMax = 4 << 20

  /// The largest message sent. Above what any of our receivers accepts (order and gateway: 12 MiB), so that only a
  /// mistake of ours meets it.
  public static let sentMessageBytesMax = 16 << 20

  /// All messages of one connection that have arrived in part. Room for several of the largest; many streams that
  /// each announce 4 MiB meet it first.
  public static let assemblyBytesMax = 64 << 20

  /// Before this many bytes have arrived, a message's buffer grows with what came, not with what was announced:
  /// a false length prefix must not cost memory.
  public static let assemblyReserveMax = 64 << 10

  /// Bytes of one call's answer that wait to be sent, above which its handler waits with the next message. A quarter
  /// of what a socket takes at a time; a thousand calls that stream to a slow reader hold 64 MiB.
  static let unsentBytesMax = 64 << 10

  /// What the streams of a client's connection may hold unread beside its window of 16 MiB, in which four of them find
  /// room: twelve more.
  public static let unreadBytesMax = 48 << 20

  /// How long a request with one message may take to arrive, however long its deadline is: 12 MiB at 2 Mbit/s. A
  /// caller that opens streams and leaves them unfinished must not keep them for ever.
  public static let requestTimeMax = Duration.seconds(60)

  /// `grpc-message` after percent-encoding, so that a status with all its parts fits a peer's 16 KiB header list.
  public static let statusMessageBytesMax = 2 << 10

  /// `grpc-status-details-bin` after base64, for the same reason. Details that exceed it are left out.
  public static let statusDetailsBytesMax = 6 << 10

  /// A correlation id is 36 bytes as a UUID; others use up to twice as much and more.
  public static let requestIDBytesMax = 128

  /// One attempt between services (DOMAIN 0.4).
  public static let attemptDeadline = Duration.seconds(5)

  /// How much of a request that is not gRPC is thrown away before it is answered without waiting for its end.
  static let plainRequestBytesMax = 64 << 10

  /// `grpc-timeout` has at most eight digits (gRPC over HTTP/2, "Timeout").
  static let timeoutDigitsMax = 8

  /// Calls of one channel that wait for a connection or for a free stream. At 1000 streams per connection this is
  /// ten full connections' worth: more would only time out in the queue.
  public static let queuedCallsMax = 10_000

  /// What those calls may hold in bytes: sixteen of 4 MiB, or ten thousand of 6 KiB.
  public static let queuedBytesMax = 64 << 20

  /// The longest pause a server may ask for before the next attempt (`grpc-retry-pushback-ms`). Whoever asks for more
  /// gets no further attempt: no caller of ours waits so long, and the call would hold its memory meanwhile.
  static let retryPushbackMax = Duration.seconds(30)

  /// The pause of transparent retries is zero, so their number is bounded: two, as other implementations do.
  static let transparentRetriesMax = 2

  /// What a channel or a server remembers of its past for channelz: enough to see the last failures and recoveries.
  static let channelzEventsMax = 32

  /// What a streaming call has sent is kept for further attempts up to this many bytes, framing included. A call that
  /// has sent more gets none: the usual bound of gRPC for one call.
  public static let replayBytesMax = 256 << 10

  /// The same for all calls of a channel together.
  public static let replayBytesOfChannelMax = 16 << 20
}
