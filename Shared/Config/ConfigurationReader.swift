import Kernel

/// The settings of one service, read from the sources all at once.
///
/// An initialiser reads every key it needs and returns even when values are wrong; whoever made the reader calls
/// `finish`, which throws all problems together.
public protocol ServiceSettings: Sendable {
  init(_ keys: inout ConfigurationReader)
}

/// A service without keys of its own.
public struct NoSettings: ServiceSettings {
  public init(_ keys: inout ConfigurationReader) {}
}

/// Finds values by key: command line before environment before CONFIG_FILE before default; `<KEY>_FILE` names a file
/// whose content is the value, on each level. Environment variables that are no key belong to others.
public struct ConfigurationReader: Sendable {
  /// What a source says about one key, for the start-up print.
  public struct Entry: Hashable, Sendable {
    public let key: KeyDescription
    public let value: String
    public let source: String
  }

  public let service: ServiceName
  public private(set) var environment: AppEnvironment = .development
  /// Every key read so far with its redacted value, in reading order, each once.
  public private(set) var entries: [Entry] = []

  private let layers: [Layer]
  private let readFile: @Sendable (String) throws -> [UInt8]
  private var problems: [ConfigurationFailure.Problem] = []

  private struct Layer: Sendable {
    let name: String
    let values: [String: String]
  }

  /// Longest content that `<KEY>_FILE` or CONFIG_FILE may have.
  static let fileBytesMax = 1_048_576

  /// - Parameters:
  ///   - commandLine: overrides by key name; names that are no key of this service are problems.
  ///   - environmentVariables: the process environment, as it is.
  public init(
    service: ServiceName, commandLine: [String: String] = [:], environmentVariables: [String: String] = [:],
    readFile: @escaping @Sendable (String) throws -> [UInt8] = { try ConfigurationReader.contents(ofFile: $0) }
  ) {
    self.service = service
    self.readFile = readFile
    var found: [ConfigurationFailure.Problem] = []
    for name in commandLine.keys.sorted() where !Self.isKnown(name, to: service) {
      found.append(.init(key: name, reason: "is no configuration key of \(service.rawValue)"))
    }
    var file = Layer(name: "CONFIG_FILE", values: [:])
    let path = commandLine[Keys.configFile.name] ?? environmentVariables[Keys.configFile.name]
    if let path, !path.trimmed.isEmpty {
      do throws(ConfigurationFailure) {
        file = Layer(name: "CONFIG_FILE", values: try ConfigurationFile.parse(path, readFile: readFile))
      } catch {
        found += error.problems
      }
    }
    layers = [
      Layer(name: "command line", values: commandLine), Layer(name: "environment", values: environmentVariables), file,
    ]
    problems = found
    environment = self[Keys.appEnvironment]
  }

  /// The value of `key`; after a problem a substitute, so that reading can go on.
  public subscript<Value>(_ key: ConfigurationKey<Value>) -> Value {
    mutating get { value(key, default: key.defaultText(context)) }
  }

  /// The value of a key whose default only the caller can know.
  public mutating func value<Value>(_ key: ConfigurationKey<Value>, default fallback: String?) -> Value {
    let given: (text: String, source: String)?
    do throws(ValueProblem) {
      given = try lookUp(key.name) ?? fallback.map { ($0, "default") }
    } catch {
      reject(key.name, error.reason)
      return key.substitute
    }
    guard let given else {
      reject(key.name, "must be given")
      return key.substitute
    }
    note(key.description, given.text, given.source)
    do throws(ValueProblem) {
      return try key.parse(given.text)
    } catch {
      let shown = key.description.redaction == .shown && !given.text.isEmpty ? ", not \"\(given.text.prefix(60))\"" : ""
      reject(key.name, error.reason + shown)
      return key.substitute
    }
  }

  /// Notes a problem that only comparing several values shows. `reason` must not hold a secret.
  public mutating func reject(_ key: String, _ reason: String) {
    let problem = ConfigurationFailure.Problem(key: key, reason: reason)
    if !problems.contains(problem) { problems.append(problem) }
  }

  /// Throws everything that was wrong.
  public func finish() throws(ConfigurationFailure) {
    guard problems.isEmpty else { throw ConfigurationFailure(problems) }
  }

  /// `KEY=value (source)` per line, sorted, secrets hidden.
  public var printable: String {
    entries.sorted { $0.key.name < $1.key.name }
      .map { "\($0.key.name)=\($0.value) (\($0.source))" }.joined(separator: "\n")
  }

  private var context: ConfigurationContext {
    ConfigurationContext(service: service, environment: environment)
  }

  private func lookUp(_ name: String) throws(ValueProblem) -> (text: String, source: String)? {
    let fileName = name + "_FILE"
    for layer in layers {
      let direct = layer.values[name]
      // TLS_KEY_FILE is a key, not the file of a key TLS_KEY; no key of the table has such a twin.
      let path = Keys.byName[fileName] == nil ? layer.values[fileName] : nil
      if direct != nil, path != nil { throw ValueProblem("is given twice, directly and as \(fileName)") }
      if let direct { return (direct, layer.name) }
      if let path { return (try content(of: path, for: fileName), "\(layer.name), \(fileName)") }
    }
    return nil
  }

  private func content(of path: String, for name: String) throws(ValueProblem) -> String {
    let bytes: [UInt8]
    do { bytes = try readFile(path) } catch { throw ValueProblem("cannot be read: \(name) names \(path): \(error)") }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ValueProblem("cannot be read: \(name) names \(path), which is not UTF-8 text")
    }
    return text.trimmed
  }

  private mutating func note(_ key: KeyDescription, _ text: String, _ source: String) {
    guard !entries.contains(where: { $0.key == key }) else { return }
    let value =
      switch key.redaction {
      case .shown: text
      case .userInfo: ValueText.hidingUserInfo(text)
      case .hidden: text.isEmpty ? "" : "(hidden)"
      }
    entries.append(Entry(key: key, value: value, source: source))
  }

  private static func isKnown(_ name: String, to service: ServiceName) -> Bool {
    if let key = Keys.byName[name] { return key.isUsed(by: service) }
    guard name.hasSuffix("_FILE"), let key = Keys.byName[String(name.dropLast("_FILE".count))] else { return false }
    return key.isUsed(by: service)
  }

  /// Reads a file of at most `fileBytesMax` bytes.
  public static func contents(ofFile path: String) throws -> [UInt8] {
    try SmallFile.read(path, bytesMax: fileBytesMax)
  }
}
