import FoundationEssentials

/// CONFIG_FILE: one JSON object whose members are keys and whose values are strings, integers or booleans.
enum ConfigurationFile {
  static func parse(
    _ path: String, readFile: (String) throws -> [UInt8]
  ) throws(ConfigurationFailure) -> [String: String] {
    func failure(_ reason: String) -> ConfigurationFailure {
      ConfigurationFailure([.init(key: Keys.configFile.name, reason: reason)])
    }
    let bytes: [UInt8]
    do { bytes = try readFile(path) } catch { throw failure("cannot read \(path): \(error)") }
    let members: [String: Scalar]
    do {
      members = try JSONDecoder().decode([String: Scalar].self, from: Data(bytes))
    } catch {
      throw failure("\(path) must hold one JSON object")
    }
    var values: [String: String] = [:]
    var problems: [ConfigurationFailure.Problem] = []
    for (name, value) in members.sorted(by: { $0.key < $1.key }) {
      let isFileOfKey = name.hasSuffix("_FILE") && Keys.byName[String(name.dropLast(5))] != nil
      if name == Keys.configFile.name {
        problems.append(.init(key: name, reason: "cannot be set inside CONFIG_FILE"))
      } else if Keys.byName[name] == nil && !isFileOfKey {
        problems.append(.init(key: name, reason: "is no configuration key (in \(path))"))
      } else if let text = value.text {
        values[name] = text
      } else {
        problems.append(.init(key: name, reason: "must be a string, an integer or a boolean (in \(path))"))
      }
    }
    guard problems.isEmpty else { throw ConfigurationFailure(problems) }
    return values
  }

  /// A member's value as the text that an environment variable would hold; nil for anything else.
  private struct Scalar: Decodable {
    let text: String?

    init(from decoder: any Decoder) throws {
      guard let container = try? decoder.singleValueContainer() else {
        text = nil
        return
      }
      if let flag = try? container.decode(Bool.self) {
        text = flag ? "true" : "false"
      } else if let number = try? container.decode(Int64.self) {
        text = String(number)
      } else {
        text = try? container.decode(String.self)
      }
    }
  }
}
