import Config
import Kernel
import Testing

@Suite("Configuration: where values come from")
struct ConfigurationReaderTests {
  @Test(
    "the command line beats the environment, which beats the file, which beats the default",
    arguments: [
      (["REQUEST_TIMEOUT_MS": "1"], ["REQUEST_TIMEOUT_MS": "2"], #"{"REQUEST_TIMEOUT_MS":3}"#, 1),
      ([:], ["REQUEST_TIMEOUT_MS": "2"], #"{"REQUEST_TIMEOUT_MS":3}"#, 2),
      ([:], [:], #"{"REQUEST_TIMEOUT_MS":3}"#, 3),
      ([:], [:], "{}", 30_000),
    ] as [([String: String], [String: String], String, Int)])
  func precedence(line: [String: String], variables: [String: String], file: String, expected: Int) throws {
    var reader = Self.reader(line, variables, file: file)
    let common = CommonSettings(&reader)
    try reader.finish()
    #expect(common.requestTimeout == .milliseconds(expected))
  }

  @Test("a key may come from a file, without its last newline")
  func keyFile() throws {
    var reader = Self.reader([:], ["LOG_LEVEL_FILE": "/run/level"], files: ["/run/level": "debug\n"])
    #expect(reader[Keys.logLevel] == .debug)
    try reader.finish()
  }

  @Test("a key given directly and as a file on the same level is wrong; a higher level decides")
  func givenTwice() throws {
    var twice = Self.reader([:], ["LOG_LEVEL": "info", "LOG_LEVEL_FILE": "/x"], files: ["/x": "debug"])
    _ = twice[Keys.logLevel]
    #expect(Self.wrongKeys(twice) == ["LOG_LEVEL"])

    var levels = Self.reader(["LOG_LEVEL": "error"], ["LOG_LEVEL_FILE": "/x"], files: ["/x": "debug"])
    #expect(levels[Keys.logLevel] == .error)
    try levels.finish()
  }

  @Test("a key whose own name ends in _FILE is not read as the file of another key")
  func fileKeys() throws {
    var reader = Self.reader([:], ["SERVICE_KEYS_FILE": "/absent/keys.json"])
    #expect(reader[Keys.serviceKeysFile] == "/absent/keys.json")
    try reader.finish()
  }

  @Test("a file that cannot be read is named")
  func missingFile() throws {
    var reader = Self.reader([:], ["MONGODB_URI_FILE": "/absent"])
    _ = reader[Keys.mongoURI]
    let failure = try #require(throws: ConfigurationFailure.self) { try reader.finish() }
    #expect(failure.description.contains("MONGODB_URI: cannot be read: MONGODB_URI_FILE names /absent"))
  }

  @Test("environment variables that are no key belong to others")
  func foreignVariables() throws {
    var reader = Self.reader([:], ["PATH": "/bin", "MONGODB_URL": "typo", "JAVA_HOME": "x"])
    _ = CommonSettings(&reader)
    try reader.finish()
  }

  @Test(
    "unknown keys in the file and on the command line are wrong, and keys of other services only on the latter",
    arguments: [
      ([:], #"{"LOG_LEVLE":"info"}"#, ["LOG_LEVLE"]),
      ([:], #"{"CONFIG_FILE":"/other"}"#, ["CONFIG_FILE"]),
      ([:], #"{"LOG_LEVEL":["info"]}"#, ["LOG_LEVEL"]),
      ([:], #"{"LOG_LEVEL":null,"GRPC_PORT":1.5}"#, ["GRPC_PORT", "LOG_LEVEL"]),
      ([:], "[1]", ["CONFIG_FILE"]),
      ([:], "{", ["CONFIG_FILE"]),
      ([:], #"{"PLATFORM_FEE_BPS":0,"RATE_LIMIT_MULTIPLIER":10}"#, []),
      (["LOG_LEVLE": "info"], "{}", ["LOG_LEVLE"]),
      (["RATE_LIMIT_MULTIPLIER": "10"], "{}", ["RATE_LIMIT_MULTIPLIER"]),
      (["MAX_DEPOSIT_PAISE": "10"], "{}", []),
    ] as [([String: String], String, [String])])
  func unknownKeys(line: [String: String], file: String, wrong: [String]) {
    let reader = Self.reader(line, [:], file: file)
    #expect(Self.wrongKeys(reader) == wrong)
  }

  @Test("all wrong keys are reported together")
  func together() {
    var reader = Self.reader(
      ["NO_SUCH_KEY": "1"],
      ["GRPC_PORT": "65536", "LOG_LEVEL": "loud", "MONGODB_URI": "", "AUTO_MIGRATE": "maybe", "ORDER_TARGET": "order"],
      file: #"{"TYPO":1}"#)
    _ = CommonSettings(&reader)
    #expect(
      Self.wrongKeys(reader) == [
        "NO_SUCH_KEY", "TYPO", "GRPC_PORT", "ORDER_TARGET", "LOG_LEVEL", "MONGODB_URI", "AUTO_MIGRATE",
      ])
  }

  @Test("every key has one description, and its default is a value of it")
  func table() throws {
    #expect(Set(Keys.all.map(\.name)).count == Keys.all.count)
    #expect(Keys.all.allSatisfy { $0.name.utf8.allSatisfy { $0 == 0x5F || (0x41...0x5A).contains($0) } })
    for service in ServiceName.allCases {
      var reader = ConfigurationReader(service: service)
      _ = CommonSettings(&reader)
      _ = TokenSettings(&reader)
      _ = AdminSeedSettings(&reader)
      try reader.finish()
      for entry in reader.entries { #expect(Keys.all.contains(entry.key)) }
    }
  }

  @Test("secrets are printed nowhere: not when right, not when wrong")
  func secrets() {
    let canary = "c4n4ry"
    var reader = ConfigurationReader(
      service: .identity,
      environmentVariables: [
        "APP_ENV": "production", "MONGODB_URI": "mongodb://user:\(canary)@db/?tlsCertificateKeyFilePassword=\(canary)",
        "ADMIN_SEED_PASSWORD": "changeme\(canary)", "SEED_PROFILE": "admin",
      ])
    _ = CommonSettings(&reader)
    _ = AdminSeedSettings(&reader)
    #expect(!reader.printable.contains(canary))
    #expect(
      reader.printable.contains("MONGODB_URI=mongodb://***@db/?tlsCertificateKeyFilePassword=*** (environment)"))
    #expect(reader.printable.contains("ADMIN_SEED_PASSWORD=(hidden) (environment)"))
    let failure = #expect(throws: ConfigurationFailure.self) { try reader.finish() }
    #expect(failure?.description.contains(canary) == false)

    var wrong = ConfigurationReader(
      service: .wallet, environmentVariables: ["MONGODB_URI": "postgres://user:\(canary)@db"])
    _ = wrong[Keys.mongoURI]
    let second = #expect(throws: ConfigurationFailure.self) { try wrong.finish() }
    #expect(second?.description.contains(canary) == false)
  }

  static func reader(
    _ line: [String: String], _ variables: [String: String], file: String? = nil, files: [String: String] = [:]
  ) -> ConfigurationReader {
    var variables = variables
    var files = files
    if let file {
      variables["CONFIG_FILE"] = "/etc/mobo.json"
      files["/etc/mobo.json"] = file
    }
    return ConfigurationReader(service: .wallet, commandLine: line, environmentVariables: variables) { [files] path in
      guard let text = files[path] else { throw Absent() }
      return Array(text.utf8)
    }
  }

  static func wrongKeys(_ reader: ConfigurationReader) -> [String] {
    do throws(ConfigurationFailure) {
      try reader.finish()
      return []
    } catch {
      return error.problems.map(\.key)
    }
  }

  struct Absent: Error {}
}
