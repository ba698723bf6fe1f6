import Kernel

/// Where an HTTP server listens and what it grants to clients.
public struct HTTPServerConfiguration: Sendable {
  public var host: String
  /// 0 takes a free port.
  public var port: Int
  /// Names and values of one request's header fields together.
  public var headerListBytesMax = 16 << 10
  public var headerFieldsMax = 100
  /// From accepting a connection to the end of its first header section.
  public var headTimeout = Duration.seconds(10)
  /// Between the end of a response and the end of the next header section.
  public var idleTimeout = Duration.seconds(60)
  /// From the end of the header section to the end of the body.
  public var bodyTimeout = Duration.seconds(30)
  /// For a client to take a response from us.
  public var writeTimeout = Duration.seconds(30)
  /// All bodies of one HTTP/2 connection that are kept at a time. Room for several of the largest (17 MiB); a
  /// hundred streams that each send one meet it first.
  public var connectionBodyBytesMax = 64 << 20
  /// More connections than this are closed at once, so that the process keeps file descriptors for its own work.
  public var connectionsMax = 4_096
  /// The same for one IPv4 address or one /64 network of IPv6; nil sets no limit. Behind a proxy every client has the
  /// proxy's address, so only an edge of one's own can have one.
  public var connectionsPerAddressMax: Int?
  /// HTTP/2: requests of one connection at a time.
  public var concurrentStreamsMax = 100

  public init(host: String, port: Int) {
    self.host = host
    self.port = port
  }
}
