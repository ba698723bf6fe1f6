import Kernel

/// Every key of the configuration (DOMAIN 12.1), declared once. Sources may use no other names.
public enum Keys {
  // Process
  public static let appEnvironment = ConfigurationKey<AppEnvironment>.choice("APP_ENV", .development)
  public static let configFile = ConfigurationKey<String?>.optionalText("CONFIG_FILE")
  public static let stateDirectory = ConfigurationKey<String>.text(
    "STATE_DIR", .dependent { ".mobo/\($0.service.rawValue)" })
  public static let logLevel = ConfigurationKey<LogThreshold>.choice("LOG_LEVEL", .info)
  public static let requestTimeout = ConfigurationKey<Duration>.span(
    "REQUEST_TIMEOUT_MS", 30_000, 1...600_000, of: .milliseconds)
  public static let shutdownTimeout = ConfigurationKey<Duration>.span(
    "SHUTDOWN_TIMEOUT_MS", 30_000, 0...600_000, of: .milliseconds)
  public static let seedProfile = ConfigurationKey<SeedProfile>.choice("SEED_PROFILE", .none)

  // Listeners and the way to others
  public static let grpcPort = ConfigurationKey<Int>.integer(
    "GRPC_PORT", .dependent { "\($0.service.grpcPortDefault)" }, 0...65_535)
  public static let httpPort = ConfigurationKey<Int>.integer(
    "HTTP_PORT", .text("8080"), 0...65_535, services: [.gateway])
  /// Its default follows GRPC_PORT: `CommonSettings` supplies it.
  public static let adminPort = ConfigurationKey<Int>.integer("ADMIN_PORT", .required, 0...65_535)
  public static let bindAddress = ConfigurationKey<String>.text("BIND_ADDRESS", .text("127.0.0.1")) { text in
    text.contains(where: \.isWhitespace) ? "must be an address" : nil
  }
  public static let advertisedTarget = ConfigurationKey<String?>.optionalText(
    "ADVERTISED_TARGET", check: ValueText.targetProblem)
  public static let identityTarget = target("IDENTITY_TARGET", of: .identity)
  public static let campaignTarget = target("CAMPAIGN_TARGET", of: .campaign)
  public static let orderTarget = target("ORDER_TARGET", of: .order)
  public static let walletTarget = target("WALLET_TARGET", of: .wallet)
  public static let auditTarget = target("AUDIT_TARGET", of: .audit)
  public static let grpcMessageBytesMax = ConfigurationKey<Int>.integer(
    "GRPC_MAX_MESSAGE_BYTES",
    .dependent { $0.service == .order || $0.service == .gateway ? "12582912" : "4194304" }, 1_024...268_435_456)
  /// Reflection and channelz. They tell about the process, not about its data; production keeps that to itself.
  public static let grpcIntrospection = ConfigurationKey<Bool>.flag(
    "GRPC_INTROSPECTION", .dependent { $0.environment == .production ? "false" : "true" })
  /// The limit of running calls of one method never falls below this.
  public static let admissionLimitMin = ConfigurationKey<Int>.integer("ADMISSION_LIMIT_MIN", .text("8"), 1...100_000)
  /// What the limits of running calls of all methods come to at most.
  public static let admissionLimitMax = ConfigurationKey<Int>.integer(
    "ADMISSION_LIMIT_MAX", .text("4000"), 1...1_000_000)

  // Trust
  public static let serviceKeysFile = ConfigurationKey<String?>.optionalText("SERVICE_KEYS_FILE")
  public static let tlsCertificateFile = ConfigurationKey<String?>.optionalText("TLS_CERT_FILE")
  public static let tlsKeyFile = ConfigurationKey<String?>.optionalText("TLS_KEY_FILE")
  public static let tlsAuthoritiesFile = ConfigurationKey<String?>.optionalText("TLS_CA_FILE")
  public static let tlsTrustDomain = ConfigurationKey<String>.text("TLS_TRUST_DOMAIN", .text("mobo")) { text in
    ValueText.isTrustDomain(text) ? nil : "must be at most 255 lowercase letters, digits, dots, dashes and underscores"
  }
  public static let tlsReloadInterval = ConfigurationKey<Duration>.span(
    "TLS_RELOAD_INTERVAL_MS", 10_000, 100...86_400_000, of: .milliseconds)
  public static let jwksRefresh = ConfigurationKey<Duration>.span(
    "JWKS_REFRESH_SECONDS", 300, 1...86_400, of: .seconds)
  public static let authCacheTTL = ConfigurationKey<Duration>.span(
    "AUTH_CACHE_TTL_MS", 30_000, 0...3_600_000, of: .milliseconds)

  // Database
  public static let mongoURI = ConfigurationKey<String>.text(
    "MONGODB_URI",
    .dependent { $0.environment == .production ? nil : "mongodb://127.0.0.1:27017/?replicaSet=rs0" },
    services: databases, redaction: .userInfo, check: uriProblem)
  /// What the `migrate` subcommands and AUTO_MIGRATE connect with where access is controlled: a user that may change
  /// the schema, which the service itself may not.
  public static let migrationURI = ConfigurationKey<String?>.optionalText(
    "MIGRATE_MONGODB_URI", services: databases, redaction: .userInfo, check: uriProblem)
  /// What `migrate users` connects with: a user that may create users.
  public static let adminURI = ConfigurationKey<String?>.optionalText(
    "MONGODB_ADMIN_URI", services: databases, redaction: .userInfo, check: uriProblem)
  public static let mongoDatabase = ConfigurationKey<String>.text(
    "MONGODB_DBNAME", .dependent { "mobo_\($0.service.rawValue)" }, services: databases
  ) { text in
    let allowed = text.utf8.allSatisfy { byte in
      UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
        || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
    }
    return allowed && text.utf8.count <= 63 ? nil : "must be at most 63 letters, digits, _ and -"
  }
  public static let mongoPoolMax = ConfigurationKey<Int>.integer(
    "MONGO_MAX_POOL_SIZE", .text("50"), 1...1_000, services: databases)
  public static let mongoPoolMin = ConfigurationKey<Int>.integer(
    "MONGO_MIN_POOL_SIZE", .text("10"), 0...1_000, services: databases)
  public static let mongoServerSelectionTimeout = ConfigurationKey<Duration>.span(
    "MONGO_SERVER_SELECTION_TIMEOUT_MS", 5_000, 1...600_000, of: .milliseconds, services: databases)
  public static let mongoSocketTimeout = ConfigurationKey<Duration>.span(
    "MONGO_SOCKET_TIMEOUT_MS", 45_000, 1...600_000, of: .milliseconds, services: databases)
  public static let mongoConnectTimeout = ConfigurationKey<Duration>.span(
    "MONGO_CONNECT_TIMEOUT_MS", 5_000, 1...600_000, of: .milliseconds, services: databases)
  public static let mongoWaitQueueTimeout = ConfigurationKey<Duration>.span(
    "MONGO_WAIT_QUEUE_TIMEOUT_MS", 5_000, 1...600_000, of: .milliseconds, services: databases)
  /// Not below what libmongoc allows. A server that ends is noticed at once, one that falls silent after this and the
  /// connect timeout.
  public static let mongoHeartbeat = ConfigurationKey<Duration>.span(
    "MONGO_HEARTBEAT_MS", 1_000, 500...60_000, of: .milliseconds, services: databases)
  /// 4 (IPv4 first), 6, or 0 for no preference.
  public static let mongoFamily = ConfigurationKey<Int>(
    "MONGO_FAMILY", .text("4"), substitute: 4, services: databases
  ) { text throws(ValueProblem) in
    guard let family = Int(text), [0, 4, 6].contains(family) else { throw ValueProblem("must be 4, 6 or 0") }
    return family
  }
  public static let databaseRetryAttempts = ConfigurationKey<Int>.integer(
    "DB_RETRY_ATTEMPTS", .text("3"), 1...10, services: databases)
  public static let databaseRetryBase = ConfigurationKey<Duration>.span(
    "DB_RETRY_BASE_MS", 100, 0...10_000, of: .milliseconds, services: databases)
  public static let autoMigrate = ConfigurationKey<Bool>.flag(
    "AUTO_MIGRATE", .dependent { $0.environment == .production ? "false" : "true" }, services: databases)

  static let databases = Set(ServiceName.allCases.filter(\.hasDatabase))

  private static func uriProblem(_ text: String) -> String? {
    if ValueText.isPlaceholder(text) { return "is still a placeholder" }
    let isURI = text.hasPrefix("mongodb://") || text.hasPrefix("mongodb+srv://")
    return isURI ? nil : "must begin with mongodb:// or mongodb+srv://"
  }

  private static func target(_ name: String, of service: ServiceName) -> ConfigurationKey<String> {
    .text(name, .text("127.0.0.1:\(service.grpcPortDefault)"), check: ValueText.targetProblem)
  }
}
