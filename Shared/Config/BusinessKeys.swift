import Kernel

/// Keys of single services: limits, windows and intervals of the product.
extension Keys {
  // Tokens, passwords, lockout
  public static let signingKeyFile = ConfigurationKey<String?>.optionalText(
    "JWT_SIGNING_KEY_FILE", services: [.identity])
  public static let refreshReuseGrace = ConfigurationKey<Duration>.span(
    "REFRESH_REUSE_GRACE_SECONDS", 0, 0...3_600, of: .seconds, services: [.identity])
  public static let accessTokenTTL = ConfigurationKey<Duration>.span(
    "JWT_ACCESS_TTL_SECONDS", 900, 1...86_400, of: .seconds, services: [.identity])
  public static let refreshTokenTTL = ConfigurationKey<Duration>.span(
    "REFRESH_TTL_SECONDS", 2_592_000, 1...31_536_000, of: .seconds, services: [.identity])
  public static let passwordHashMemoryKiB = ConfigurationKey<Int>.integer(
    "PASSWORD_HASH_MEMORY_KIB", .text("19456"), 8...1_048_576, services: [.identity])
  public static let passwordHashPasses = ConfigurationKey<Int>.integer(
    "PASSWORD_HASH_PASSES", .text("2"), 1...100, services: [.identity])
  public static let loginFailuresMax = ConfigurationKey<Int>.integer(
    "LOGIN_MAX_FAILURES", .text("7"), 1...1_000, services: [.identity])
  public static let loginLockout = ConfigurationKey<Duration>.span(
    "LOGIN_LOCKOUT_SECONDS", 900, 1...86_400, of: .seconds, services: [.identity])

  // Invites and connections
  public static let inviteDefaultTTL = ConfigurationKey<Duration>.span(
    "INVITE_DEFAULT_TTL_SECONDS", 604_800, 1...31_536_000, of: .seconds, services: [.identity])
  public static let inviteNetworkTTL = ConfigurationKey<Duration>.span(
    "INVITE_NETWORK_TTL_SECONDS", 1_209_600, 1...31_536_000, of: .seconds, services: [.identity])
  public static let inviteTTLMax = ConfigurationKey<Duration>.span(
    "INVITE_MAX_TTL_SECONDS", 2_592_000, 1...31_536_000, of: .seconds, services: [.identity])
  public static let inviteSweepInterval = ConfigurationKey<Duration>.span(
    "INVITE_SWEEP_INTERVAL_SECONDS", 300, 1...86_400, of: .seconds, services: [.identity])
  public static let invitePurgeAfter = ConfigurationKey<Duration>.span(
    "INVITE_PURGE_AFTER_SECONDS", 2_592_000, 1...31_536_000, of: .seconds, services: [.identity])
  public static let pendingConnectionsMax = ConfigurationKey<Int>.integer(
    "CONNECTION_MAX_PENDING", .text("100"), 1...100_000, services: [.identity])

  // The first administrator
  public static let adminSeedUsername = ConfigurationKey<String>.text(
    "ADMIN_SEED_USERNAME", .text("root"), services: [.identity])
  public static let adminSeedPassword = ConfigurationKey<String?>.optionalText(
    "ADMIN_SEED_PASSWORD", services: [.identity], redaction: .hidden)
  public static let adminSeedMobile = ConfigurationKey<String>.text(
    "ADMIN_SEED_MOBILE", .text("9000000000"), services: [.identity])
  public static let adminSeedName = ConfigurationKey<String>.text(
    "ADMIN_SEED_NAME", .text("Root Admin"), services: [.identity])

  // Orders
  public static let orderVelocityHourly = ConfigurationKey<Int>.integer(
    "ORDER_VELOCITY_HOURLY", .text("10"), 1...100_000, services: [.order])
  public static let orderVelocityDaily = ConfigurationKey<Int>.integer(
    "ORDER_VELOCITY_DAILY", .text("30"), 1...100_000, services: [.order])
  public static let preorderTTL = ConfigurationKey<Duration>.span(
    "PREORDER_TTL_HOURS", 72, 1...8_760, of: .hours, services: [.order])
  public static let reproofWindow = ConfigurationKey<Duration>.span(
    "REPROOF_WINDOW_HOURS", 72, 1...8_760, of: .hours, services: [.order])
  public static let returnWindowDaysDefault = ConfigurationKey<Int>.integer(
    "DEFAULT_RETURN_WINDOW_DAYS", .text("14"), 0...365, services: [.campaign, .order])
  public static let orderProofRequiredAtCreate = ConfigurationKey<Bool>.flag(
    "ORDER_PROOF_REQUIRED_AT_CREATE", .text("true"), services: [.order])
  public static let strictMediatorVerification = ConfigurationKey<Bool>.flag(
    "STRICT_MEDIATOR_VERIFICATION", .text("false"), services: [.order])
  public static let proofVerifier = ConfigurationKey<ProofVerifierChoice>.choice(
    "PROOF_VERIFIER", .manual, services: [.order])
  public static let proofVerifierRequired = ConfigurationKey<Bool>.flag(
    "PROOF_VERIFIER_REQUIRED", .text("false"), services: [.order])
  public static let proofConfidenceThreshold = ConfigurationKey<Int>.integer(
    "PROOF_CONFIDENCE_THRESHOLD", .text("75"), 0...100, services: [.order])
  /// 101 disables automatic verification.
  public static let proofAutoVerifyThreshold = ConfigurationKey<Int>.integer(
    "PROOF_AUTO_VERIFY_THRESHOLD", .text("90"), 0...101, services: [.order])
  public static let proofBytesMin = ConfigurationKey<Int>.integer(
    "PROOF_MIN_BYTES", .dependent { $0.environment == .production ? "10240" : "1" }, 1...12_582_912,
    services: [.order])
  public static let proofBytesMax = ConfigurationKey<Int>.integer(
    "PROOF_MAX_BYTES", .text("5242880"), 1...12_582_912, services: [.order])

  // Money
  public static let platformFeeBasisPoints = ConfigurationKey<Int>.integer(
    "PLATFORM_FEE_BPS", .text("0"), 0...5_000, services: [.order, .campaign])
  public static let walletBalanceMax = ConfigurationKey<Money>.paise(
    "WALLET_MAX_BALANCE_PAISE", 10_000_000, 1...paiseMax, services: [.wallet])
  public static let walletBalanceMaxBusiness = ConfigurationKey<Money>.paise(
    "WALLET_MAX_BALANCE_BUSINESS_PAISE", 10_000_000_000, 1...paiseMax, services: [.wallet])
  public static let priceMax = ConfigurationKey<Money>.paise(
    "MAX_PRICE_PAISE", 100_000_000, 1...paiseMax, services: [.campaign, .order])
  public static let depositMax = ConfigurationKey<Money>.paise(
    "MAX_DEPOSIT_PAISE", 1_000_000_000, 1...paiseMax, services: [.wallet])
  public static let transferMax = ConfigurationKey<Money>.paise(
    "MAX_TRANSFER_PAISE", 1_000_000_000, 1...paiseMax, services: [.wallet])
  public static let payoutMin = ConfigurationKey<Money>.paise(
    "PAYOUT_MIN_PAISE", 100, 1...paiseMax, services: [.wallet])
  public static let payoutMax = ConfigurationKey<Money>.paise(
    "PAYOUT_MAX_PAISE", 10_000_000, 1...paiseMax, services: [.wallet])
  public static let openPayoutsMax = ConfigurationKey<Int>.integer(
    "PAYOUT_MAX_OPEN", .text("5"), 1...1_000, services: [.wallet])
  public static let holdRetryInterval = ConfigurationKey<Duration>.span(
    "HOLD_RETRY_INTERVAL_SECONDS", 300, 1...86_400, of: .seconds, services: [.order, .wallet])
  public static let sagaRetryInterval = ConfigurationKey<Duration>.span(
    "SAGA_RETRY_INTERVAL_SECONDS", 15, 1...86_400, of: .seconds, services: [.identity, .campaign, .order, .wallet])

  // Lists, reports, the edge
  public static let pageSizeDefault = ConfigurationKey<Int>.integer("PAGE_SIZE_DEFAULT", .text("50"), 1...1_000)
  public static let pageSizeMax = ConfigurationKey<Int>.integer("PAGE_SIZE_MAX", .text("200"), 1...1_000)
  public static let exportRowsMax = ConfigurationKey<Int>.integer("EXPORT_MAX_ROWS", .text("50000"), 1...1_000_000)
  public static let reportTimeZone = ConfigurationKey<String>.text("REPORT_TZ", .text("Asia/Kolkata")) { text in
    text.utf8.contains { $0 <= 0x20 } ? "must be the name of a time zone" : nil
  }
  public static let rateLimitMultiplier = ConfigurationKey<Int>.integer(
    "RATE_LIMIT_MULTIPLIER", .text("1"), 1...1_000_000, services: [.gateway])

  /// Ten trillion paise: sums of a million such amounts still fit 64 bits.
  private static let paiseMax = 10_000_000_000_000

  /// The whole table.
  public static let all: [KeyDescription] =
    [
      appEnvironment.description, configFile.description, stateDirectory.description, logLevel.description,
      requestTimeout.description, shutdownTimeout.description, seedProfile.description, grpcPort.description,
      httpPort.description, adminPort.description, bindAddress.description, advertisedTarget.description,
      identityTarget.description, campaignTarget.description, orderTarget.description, walletTarget.description,
      auditTarget.description, grpcMessageBytesMax.description, grpcIntrospection.description,
      admissionLimitMin.description, admissionLimitMax.description,
      serviceKeysFile.description, tlsCertificateFile.description, tlsKeyFile.description,
      tlsAuthoritiesFile.description, tlsTrustDomain.description, tlsReloadInterval.description,
      jwksRefresh.description, authCacheTTL.description, mongoURI.description,
      mongoDatabase.description, mongoPoolMax.description, mongoPoolMin.description,
      mongoServerSelectionTimeout.description, mongoSocketTimeout.description, mongoConnectTimeout.description,
      mongoWaitQueueTimeout.description, mongoHeartbeat.description, mongoFamily.description,
      migrationURI.description, adminURI.description, databaseRetryAttempts.description, databaseRetryBase.description,
      autoMigrate.description,
      pageSizeDefault.description, pageSizeMax.description, exportRowsMax.description, reportTimeZone.description,
      rateLimitMultiplier.description,
    ] + connectionKeys + identityKeys + orderKeys + moneyKeys

  private static let identityKeys: [KeyDescription] = [
    signingKeyFile.description, refreshReuseGrace.description, accessTokenTTL.description,
    refreshTokenTTL.description, passwordHashMemoryKiB.description, passwordHashPasses.description,
    loginFailuresMax.description, loginLockout.description, inviteDefaultTTL.description,
    inviteNetworkTTL.description, inviteTTLMax.description, inviteSweepInterval.description,
    invitePurgeAfter.description, pendingConnectionsMax.description, adminSeedUsername.description,
    adminSeedPassword.description, adminSeedMobile.description, adminSeedName.description,
  ]

  private static let orderKeys: [KeyDescription] = [
    orderVelocityHourly.description, orderVelocityDaily.description, preorderTTL.description,
    reproofWindow.description, returnWindowDaysDefault.description, orderProofRequiredAtCreate.description,
    strictMediatorVerification.description, proofVerifier.description, proofVerifierRequired.description,
    proofConfidenceThreshold.description, proofAutoVerifyThreshold.description, proofBytesMin.description,
    proofBytesMax.description,
  ]

  private static let moneyKeys: [KeyDescription] = [
    platformFeeBasisPoints.description, walletBalanceMax.description, walletBalanceMaxBusiness.description,
    priceMax.description, depositMax.description, transferMax.description, payoutMin.description,
    payoutMax.description, openPayoutsMax.description, holdRetryInterval.description, sagaRetryInterval.description,
  ]

  static let byName: [String: KeyDescription] = Dictionary(
    all.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
}
