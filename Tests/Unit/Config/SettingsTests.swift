import Config
import Kernel
import Testing

@Suite("Configuration: what values may be")
struct SettingsTests {
  @Test(
    "integers are taken at their limits and refused beyond",
    arguments: [
      ("GRPC_PORT", "0", true), ("GRPC_PORT", "64535", true), ("GRPC_PORT", "64536", false),
      ("GRPC_PORT", "-1", false), ("GRPC_PORT", "65536", false),
      ("GRPC_PORT", "", false), ("GRPC_PORT", "50 051", false), ("GRPC_PORT", "0x10", false),
      ("MONGO_MAX_POOL_SIZE", "10", true), ("MONGO_MAX_POOL_SIZE", "9", false), ("MONGO_FAMILY", "5", false),
      ("MONGO_FAMILY", "6", true), ("PAGE_SIZE_DEFAULT", "200", true), ("PAGE_SIZE_DEFAULT", "201", false),
      ("MONGODB_DBNAME", "t_x_wallet", true), ("MONGODB_DBNAME", "a.b", false), ("BIND_ADDRESS", "0.0.0.0", true),
      ("AUDIT_TARGET", "dns:///audit:50055", true), ("AUDIT_TARGET", "a:1,b:2", true), ("AUDIT_TARGET", "a:1,", false),
      ("AUDIT_TARGET", "a:0", false), ("AUDIT_TARGET", "[::1]:50055", true), ("AUDIT_TARGET", ":50055", false),
      ("ADMIN_PORT", "50054", false), ("TLS_CERT_FILE", "/x", false),
      ("TLS_TRUST_DOMAIN", "mobo.example-1", true), ("TLS_TRUST_DOMAIN", "Mobo", false),
      ("TLS_TRUST_DOMAIN", "mobo/x", false), ("TLS_RELOAD_INTERVAL_MS", "100", true),
      ("TLS_RELOAD_INTERVAL_MS", "99", false), ("SERVICE_KEYS_FILE", "", true),
      ("ADMISSION_LIMIT_MIN", "0", false), ("ADMISSION_LIMIT_MIN", "4000", true),
      ("ADMISSION_LIMIT_MIN", "4001", false), ("ADMISSION_LIMIT_MAX", "8", true), ("ADMISSION_LIMIT_MAX", "7", false),
      ("ADMISSION_STREAMS_MAX", "1", true), ("ADMISSION_STREAMS_MAX", "0", false),
      ("GRPC_MAX_CONCURRENT_STREAMS", "1", true), ("GRPC_MAX_CONCURRENT_STREAMS", "0", false),
      ("GRPC_KEEPALIVE_TIME_MS", "10000", true), ("GRPC_KEEPALIVE_TIME_MS", "9999", false),
      ("GRPC_MIN_PING_INTERVAL_MS", "30000", true), ("GRPC_MIN_PING_INTERVAL_MS", "30001", false),
      ("GRPC_KEEPALIVE_TIMEOUT_MS", "1000", true), ("GRPC_KEEPALIVE_TIMEOUT_MS", "999", false),
      ("GRPC_MAX_CONNECTION_AGE_MS", "1000", true), ("GRPC_MAX_CONNECTION_AGE_MS", "999", false),
      ("SEED_PROFILE", "demo", true), ("SEED_PROFILE", "Base", false),
    ])
  func values(key: String, value: String, accepted: Bool) {
    var reader = ConfigurationReader(service: .wallet, environmentVariables: [key: value])
    _ = CommonSettings(&reader)
    let wrong = ConfigurationReaderTests.wrongKeys(reader)
    #expect(wrong.isEmpty == accepted, "\(key)=\(value): \(wrong)")
  }

  @Test(
    "the admin port follows the gRPC port",
    arguments: [(nil, nil, 51_054), ("50100", nil, 51_100), ("0", nil, 0), ("0", "9000", 9_000)]
      as [(String?, String?, Int)])
  func adminPort(grpc: String?, admin: String?, expected: Int) throws {
    var variables: [String: String] = [:]
    variables["GRPC_PORT"] = grpc
    variables["ADMIN_PORT"] = admin
    var reader = ConfigurationReader(service: .wallet, environmentVariables: variables)
    let common = CommonSettings(&reader)
    try reader.finish()
    #expect(common.adminPort == expected)
  }

  @Test("defaults depend on service and environment")
  func defaults() throws {
    var order = ConfigurationReader(service: .order)
    #expect(order[Keys.grpcMessageBytesMax] == 12_582_912)
    #expect(order[Keys.proofBytesMin] == 1)
    #expect(order[Keys.stateDirectory] == ".mobo/order")
    var production = ConfigurationReader(service: .order, environmentVariables: ["APP_ENV": "production"])
    #expect(production[Keys.proofBytesMin] == 10_240)
    var gateway = ConfigurationReader(service: .gateway)
    let common = CommonSettings(&gateway)
    #expect(common.mongo == nil)
    #expect(common.httpPort == 8_080)
    #expect(common.grpcPort == 50_050)
    #expect(common.connections.streamsMax == 100 && common.connections.perAddressMax == 1_024)
    var unlimited = ConfigurationReader(
      service: .gateway, environmentVariables: ["MAX_CONNECTIONS_PER_ADDRESS": "0"])
    #expect(CommonSettings(&unlimited).connections.perAddressMax == nil)
    let between = CommonSettings(&order).connections
    #expect(between.streamsMax == 1_000 && between.perAddressMax == nil)
    #expect(common.targets[.audit] == "127.0.0.1:50055")
  }

  @Test(
    "production refuses placeholders, plain service keys, seeds of known passwords, and to run without TLS",
    arguments: [
      ([:], ["MONGODB_URI", "APP_ENV"]),
      (["MONGODB_URI": "mongodb://REPLACE_ME/"], ["MONGODB_URI", "APP_ENV"]),
      (["MONGODB_URI": "mongodb://<host>/"], ["MONGODB_URI", "APP_ENV"]),
      (["MONGODB_URI": "mongodb://db/", "SERVICE_KEYS_FILE": "/k"], ["APP_ENV", "SERVICE_KEYS_FILE"]),
      (["MONGODB_URI": "mongodb://db/", "SEED_PROFILE": "base"], ["APP_ENV", "SEED_PROFILE"]),
      (["MONGODB_URI": "mongodb://db/", "SEED_PROFILE": "admin"], ["APP_ENV"]),
      (["MONGODB_URI": "mongodb://db/", "AUTO_MIGRATE": "true"], ["AUTO_MIGRATE", "APP_ENV"]),
    ] as [([String: String], [String])])
  func production(variables: [String: String], wrong: [String]) {
    var variables = variables
    variables["APP_ENV"] = "production"
    var reader = ConfigurationReader(service: .wallet, environmentVariables: variables)
    _ = CommonSettings(&reader)
    #expect(ConfigurationReaderTests.wrongKeys(reader) == wrong)
  }

  static let tls = ["TLS_CERT_FILE": "/c", "TLS_KEY_FILE": "/k", "TLS_CA_FILE": "/a"]

  @Test("TLS takes its three files together or none of them", arguments: ["development", "production"])
  func tlsFiles(environment: String) {
    for mask in 0..<8 {
      let given = Self.tls.keys.sorted().enumerated().filter { mask & (1 << $0.offset) != 0 }.map(\.element)
      var variables = ["APP_ENV": environment, "MONGODB_URI": "mongodb://db/"]
      for key in given { variables[key] = Self.tls[key] }
      var reader = ConfigurationReader(service: .wallet, environmentVariables: variables)
      let settings = CommonSettings(&reader).tls
      let wrong = Set(ConfigurationReaderTests.wrongKeys(reader))
      switch given.count {
      case 0: #expect(wrong == (environment == "production" ? ["APP_ENV"] : []))
      case 3: #expect(wrong.isEmpty && settings?.keyFile == "/k" && settings?.trustDomain == "mobo")
      default: #expect(wrong == Set(Self.tls.keys).subtracting(given))
      }
      #expect((settings != nil) == (given.count == 3))
    }
  }

  @Test(
    "the first administrator needs a password, in production a chosen one",
    arguments: [
      ("test", nil, false), ("test", "ChangeMe_123!", true), ("production", "ChangeMe_123!", false),
      ("production", "<password>", false), ("production", "n0t-Known-here", true),
    ] as [(String, String?, Bool)])
  func adminSeed(environment: String, password: String?, accepted: Bool) {
    var variables = ["APP_ENV": environment, "SEED_PROFILE": "admin"]
    variables["ADMIN_SEED_PASSWORD"] = password
    var reader = ConfigurationReader(service: .identity, environmentVariables: variables)
    _ = AdminSeedSettings(&reader)
    #expect(ConfigurationReaderTests.wrongKeys(reader).isEmpty == accepted)
  }

  @Test("money keys are amounts of paise")
  func money() throws {
    var reader = ConfigurationReader(service: .wallet, environmentVariables: ["MAX_DEPOSIT_PAISE": "100"])
    #expect(reader[Keys.depositMax] == Money(paise: 100))
    #expect(reader[Keys.walletBalanceMaxBusiness] == Money(paise: 10_000_000_000))
    try reader.finish()
  }
}
