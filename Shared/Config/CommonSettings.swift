import Kernel

/// Settings of every process, whatever it does.
public struct CommonSettings: Sendable {
  public let service: ServiceName
  public let environment: AppEnvironment
  public let bindAddress: String
  /// 0 takes a free port; so do the other two.
  public let grpcPort: Int
  public let adminPort: Int
  /// The public HTTP listener: at the gateway only.
  public let httpPort: Int?
  /// What other replicas call; nil means the bound address and port.
  public let advertisedTarget: String?
  /// The gRPC name of each service.
  public let targets: [ServiceName: String]
  public let grpcMessageBytesMax: Int
  /// Whether reflection and channelz answer.
  public let grpcIntrospection: Bool
  /// Between which the limits of running calls are learned: of one method, and of all together.
  public let admissionLimits: ClosedRange<Int>
  public let connections: ConnectionSettings
  /// Nil without TLS, which production does not start without.
  public let tls: TLSSettings?
  /// For plaintext on the loopback interface. Without it and without TLS internal RPCs are refused to everybody.
  public let serviceKeysFile: String?
  public let stateDirectory: String
  public let logLevel: LogThreshold
  public let jwksRefresh: Duration
  /// Zero never serves a cached principal.
  public let authCacheTTL: Duration
  public let requestTimeout: Duration
  public let shutdownTimeout: Duration
  public let seedProfile: SeedProfile
  public let pageLimits: PageLimits
  /// Nil at the gateway.
  public let mongo: MongoSettings?

  public init(_ keys: inout ConfigurationReader) {
    service = keys.service
    environment = keys.environment
    bindAddress = keys[Keys.bindAddress]
    grpcPort = keys[Keys.grpcPort]
    // Without a default above 64535: the port must be named then.
    let adminDefault = grpcPort == 0 ? 0 : grpcPort + 1_000
    adminPort = keys.value(Keys.adminPort, default: adminDefault <= 65_535 ? "\(adminDefault)" : nil)
    httpPort = keys.service == .gateway ? keys[Keys.httpPort] : nil
    advertisedTarget = keys[Keys.advertisedTarget]
    targets = [
      .identity: keys[Keys.identityTarget], .campaign: keys[Keys.campaignTarget], .order: keys[Keys.orderTarget],
      .wallet: keys[Keys.walletTarget], .audit: keys[Keys.auditTarget],
    ]
    grpcMessageBytesMax = keys[Keys.grpcMessageBytesMax]
    grpcIntrospection = keys[Keys.grpcIntrospection]
    connections = ConnectionSettings(&keys)
    tls = TLSSettings(&keys)
    let admissionMin = keys[Keys.admissionLimitMin]
    let admissionMax = keys[Keys.admissionLimitMax]
    admissionLimits = admissionMin...max(admissionMin, admissionMax)
    if admissionMin > admissionMax {
      keys.reject(Keys.admissionLimitMin.name, "must not be above \(Keys.admissionLimitMax.name)")
    }
    serviceKeysFile = keys[Keys.serviceKeysFile]
    stateDirectory = keys[Keys.stateDirectory]
    logLevel = keys[Keys.logLevel]
    jwksRefresh = keys[Keys.jwksRefresh]
    authCacheTTL = keys[Keys.authCacheTTL]
    requestTimeout = keys[Keys.requestTimeout]
    shutdownTimeout = keys[Keys.shutdownTimeout]
    seedProfile = keys[Keys.seedProfile]
    pageLimits = PageLimits(sizeDefault: keys[Keys.pageSizeDefault], sizeMax: keys[Keys.pageSizeMax])
    mongo = keys.service.hasDatabase ? MongoSettings(&keys) : nil
    Self.checkTogether(&keys, pages: pageLimits, ports: [grpcPort, adminPort, httpPort ?? 0])
    Self.checkTrust(&keys, seed: seedProfile)
  }

  private static func checkTogether(_ keys: inout ConfigurationReader, pages: PageLimits, ports: [Int]) {
    if pages.sizeDefault > pages.sizeMax {
      keys.reject(Keys.pageSizeDefault.name, "must not be above \(Keys.pageSizeMax.name)")
    }
    let fixed = ports.filter { $0 != 0 }
    if Set(fixed).count != fixed.count {
      keys.reject(Keys.adminPort.name, "the listeners of one process need different ports")
    }
  }

  /// What production refuses.
  private static func checkTrust(_ keys: inout ConfigurationReader, seed: SeedProfile) {
    guard keys.environment == .production else { return }
    if TLSSettings.files.allSatisfy({ keys[$0] == nil }) {
      let names = TLSSettings.files.map(\.name).joined(separator: ", ")
      keys.reject(Keys.appEnvironment.name, "production does not start without TLS: set \(names)")
    }
    if keys[Keys.serviceKeysFile] != nil {
      keys.reject(Keys.serviceKeysFile.name, "is refused in production, where certificates name the caller")
    }
    if seed != .none && seed != .admin {
      keys.reject(Keys.seedProfile.name, "must be none or admin in production")
    }
  }
}

/// The certificate of the gRPC port and of calls to other services, and whom they trust.
public struct TLSSettings: Sendable {
  public let certificateFile: String
  public let keyFile: String
  public let authoritiesFile: String
  /// The first part of every service's SPIFFE id.
  public let trustDomain: String
  /// How often the files are looked at.
  public let reloadInterval: Duration

  static let files = [Keys.tlsCertificateFile, Keys.tlsKeyFile, Keys.tlsAuthoritiesFile]

  /// Nil unless all three files are named; some of them are a problem.
  init?(_ keys: inout ConfigurationReader) {
    trustDomain = keys[Keys.tlsTrustDomain]
    reloadInterval = keys[Keys.tlsReloadInterval]
    let paths = Self.files.map { keys[$0] }
    guard let certificate = paths[0], let key = paths[1], let authorities = paths[2] else {
      // Going on without what was asked for would be worse than not starting.
      if paths.contains(where: { $0 != nil }) {
        for (file, path) in zip(Self.files, paths) where path == nil {
          keys.reject(file.name, "must be given: TLS needs a certificate, its key and the authorities")
        }
      }
      return nil
    }
    (certificateFile, keyFile, authoritiesFile) = (certificate, key, authorities)
  }
}

/// The way to the service's own database.
public struct MongoSettings: Sendable {
  /// May hold a password: never printed; so may the next two.
  public let uri: String
  /// Nil where the schema is changed by the same user.
  public let migrationURI: String?
  public let adminURI: String?
  public let database: String
  public let poolMax: Int
  public let poolMin: Int
  public let serverSelectionTimeout: Duration
  public let socketTimeout: Duration
  public let connectTimeout: Duration
  public let waitQueueTimeout: Duration
  public let heartbeat: Duration
  /// 4 prefers IPv4, 6 prefers IPv6, 0 prefers nothing.
  public let family: Int
  public let retryAttempts: Int
  public let retryBase: Duration
  public let autoMigrate: Bool

  public init(_ keys: inout ConfigurationReader) {
    uri = keys[Keys.mongoURI]
    migrationURI = keys[Keys.migrationURI]
    adminURI = keys[Keys.adminURI]
    database = keys[Keys.mongoDatabase]
    poolMax = keys[Keys.mongoPoolMax]
    poolMin = keys[Keys.mongoPoolMin]
    serverSelectionTimeout = keys[Keys.mongoServerSelectionTimeout]
    socketTimeout = keys[Keys.mongoSocketTimeout]
    connectTimeout = keys[Keys.mongoConnectTimeout]
    waitQueueTimeout = keys[Keys.mongoWaitQueueTimeout]
    heartbeat = keys[Keys.mongoHeartbeat]
    family = keys[Keys.mongoFamily]
    retryAttempts = keys[Keys.databaseRetryAttempts]
    retryBase = keys[Keys.databaseRetryBase]
    autoMigrate = keys[Keys.autoMigrate]
    if poolMin > poolMax { keys.reject(Keys.mongoPoolMin.name, "must not be above \(Keys.mongoPoolMax.name)") }
    if autoMigrate, keys.environment == .production {
      keys.reject(Keys.autoMigrate.name, "must be false in production, where `migrate up` is a step of its own")
    }
  }
}

/// How identity issues tokens.
public struct TokenSettings: Sendable {
  /// Nil makes identity generate a key under STATE_DIR.
  public let signingKeyFile: String?
  public let accessTTL: Duration
  public let refreshTTL: Duration
  public let refreshReuseGrace: Duration

  public init(_ keys: inout ConfigurationReader) {
    signingKeyFile = keys[Keys.signingKeyFile]
    accessTTL = keys[Keys.accessTokenTTL]
    refreshTTL = keys[Keys.refreshTokenTTL]
    refreshReuseGrace = keys[Keys.refreshReuseGrace]
    if signingKeyFile == nil, keys.environment == .production {
      keys.reject(Keys.signingKeyFile.name, "must be given in production")
    }
  }
}

/// The administrator that the seed profile `admin` creates or repairs.
public struct AdminSeedSettings: Sendable {
  public let username: String
  /// Secret: never printed. Nil means that the profile cannot be applied.
  public let password: String?
  public let mobile: String
  public let name: String

  public init(_ keys: inout ConfigurationReader) {
    username = keys[Keys.adminSeedUsername]
    password = keys[Keys.adminSeedPassword]
    mobile = keys[Keys.adminSeedMobile]
    name = keys[Keys.adminSeedName]
    guard keys[Keys.seedProfile] == .admin else { return }
    guard let password else {
      keys.reject(Keys.adminSeedPassword.name, "must be given with SEED_PROFILE=admin")
      return
    }
    let isKnown = ValueText.isPlaceholder(password) || password.lowercased().hasPrefix("changeme")
    if isKnown, keys.environment == .production {
      keys.reject(Keys.adminSeedPassword.name, "is a placeholder: choose a password")
    }
  }
}
