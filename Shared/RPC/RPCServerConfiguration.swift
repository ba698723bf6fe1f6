public import Transport

/// Where a server listens and what it grants its peers.
public struct RPCServerConfiguration: Sendable {
  public var host: String
  /// 0 takes any free port; `start()` tells which.
  public var port: Int
  /// Nil serves without TLS (prior knowledge).
  public var tls: ServerTLS?
  /// Event loops of the server's own; nil shares the process's.
  public var threads: Int?
  /// The largest request message in bytes. Larger ones are refused from their length prefix.
  public var messageBytesMax: Int
  /// The largest answer in bytes.
  public var sentMessageBytesMax: Int
  /// Whether answers are compressed for callers that accept it, where the handler does not say.
  public var compressesResponses: Bool
  /// Name and value bytes plus 32 per field of one header block.
  public var headerListBytesMax: Int
  public var headerFieldsMax: Int
  /// Calls at a time on one connection; more are refused with REFUSED_STREAM.
  public var concurrentStreamsMax: Int
  /// How long a request with one message may take to arrive.
  public var requestTimeMax: Duration
  /// How long a connection without a call is kept.
  public var idleTimeout: Duration
  public var connections = ServerConnectionLimits()
  /// Where the server and its connections are shown; nil shows them nowhere.
  public var channelz: Channelz?

  public init(
    host: String, port: Int, tls: ServerTLS? = nil, threads: Int? = nil, messageBytesMax: Int = Limits.messageBytesMax,
    sentMessageBytesMax: Int = Limits.sentMessageBytesMax, compressesResponses: Bool = false,
    headerListBytesMax: Int = 16 << 10, headerFieldsMax: Int = 100, concurrentStreamsMax: Int = 1_000,
    requestTimeMax: Duration = Limits.requestTimeMax, idleTimeout: Duration = .seconds(300)
  ) {
    self.host = host
    self.port = port
    self.tls = tls
    self.threads = threads
    self.messageBytesMax = messageBytesMax
    self.sentMessageBytesMax = sentMessageBytesMax
    self.compressesResponses = compressesResponses
    self.headerListBytesMax = headerListBytesMax
    self.headerFieldsMax = headerFieldsMax
    self.concurrentStreamsMax = concurrentStreamsMax
    self.requestTimeMax = requestTimeMax
    self.idleTimeout = idleTimeout
  }
}
