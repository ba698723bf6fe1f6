import Kernel

/// Keys of the gRPC connections between processes, and of what a process grants those who connect to it.
extension Keys {
  /// Streams of one method that run at a time.
  public static let admissionStreamsMax = ConfigurationKey<Int>.integer(
    "ADMISSION_STREAMS_MAX", .text("4000"), 1...1_000_000)
  /// Calls at a time on one connection. Few at the gateway, whose clients are strangers.
  public static let grpcStreamsMax = ConfigurationKey<Int>.integer(
    "GRPC_MAX_CONCURRENT_STREAMS", .dependent { $0.service == .gateway ? "100" : "1000" }, 1...100_000)
  /// How long the other end of a connection may be silent before it is asked for a sign of life, by servers and
  /// clients.
  public static let grpcKeepaliveTime = ConfigurationKey<Duration>.span(
    "GRPC_KEEPALIVE_TIME_MS", 30_000, 1_000...7_200_000, of: .milliseconds)
  /// How long it may take to give one.
  public static let grpcKeepaliveTimeout = ConfigurationKey<Duration>.span(
    "GRPC_KEEPALIVE_TIMEOUT_MS", 10_000, 1_000...600_000, of: .milliseconds)
  /// Clients that ask more often are sent away. Below every client's GRPC_KEEPALIVE_TIME_MS, with room for jitter.
  public static let grpcPingIntervalMin = ConfigurationKey<Duration>.span(
    "GRPC_MIN_PING_INTERVAL_MS", 10_000, 0...7_200_000, of: .milliseconds)
  /// After this, give or take a tenth, a client is told to open another connection: so it comes to know further
  /// replicas, and a certificate that was replaced or an authority that was withdrawn is in use no longer than this.
  public static let grpcConnectionAgeMax = ConfigurationKey<Duration>.span(
    "GRPC_MAX_CONNECTION_AGE_MS", 3_600_000, 1_000...86_400_000, of: .milliseconds)
  /// Connections from one address (of IPv6: one /64 network) to each of the gateway's ports; 0 sets no limit. Behind
  /// a proxy all clients have the proxy's address.
  public static let connectionsPerAddressMax = ConfigurationKey<Int>.integer(
    "MAX_CONNECTIONS_PER_ADDRESS", .text("1024"), 0...1_000_000, services: [.gateway])

  static let connectionKeys: [KeyDescription] = [
    admissionStreamsMax.description, grpcStreamsMax.description, grpcKeepaliveTime.description,
    grpcKeepaliveTimeout.description, grpcPingIntervalMin.description, grpcConnectionAgeMax.description,
    connectionsPerAddressMax.description,
  ]
}

/// How a process's gRPC connections behave.
public struct ConnectionSettings: Sendable {
  /// Streams of one method that run at a time.
  public let admissionStreamsMax: Int
  /// Calls at a time on one connection.
  public let streamsMax: Int
  public let keepaliveTime: Duration
  public let keepaliveTimeout: Duration
  /// Pings of a client that follow each other sooner are counted against it.
  public let pingIntervalMin: Duration
  public let ageMax: Duration
  /// Nil without a limit, as everywhere but at the gateway.
  public let perAddressMax: Int?

  init(_ keys: inout ConfigurationReader) {
    admissionStreamsMax = keys[Keys.admissionStreamsMax]
    streamsMax = keys[Keys.grpcStreamsMax]
    keepaliveTime = keys[Keys.grpcKeepaliveTime]
    keepaliveTimeout = keys[Keys.grpcKeepaliveTimeout]
    pingIntervalMin = keys[Keys.grpcPingIntervalMin]
    ageMax = keys[Keys.grpcConnectionAgeMax]
    let perAddress = keys.service == .gateway ? keys[Keys.connectionsPerAddressMax] : 0
    perAddressMax = perAddress == 0 ? nil : perAddress
    if pingIntervalMin > keepaliveTime {
      keys.reject(Keys.grpcPingIntervalMin.name, "must not be above \(Keys.grpcKeepaliveTime.name)")
    }
  }
}
