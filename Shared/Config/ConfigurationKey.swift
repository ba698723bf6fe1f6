import Kernel

/// What may be shown of a key's value.
public enum Redaction: Sendable {
  case shown
  /// The user and the password inside a URI are hidden.
  case userInfo
  /// Nothing but whether it is set.
  case hidden
}

/// What a default may depend on.
public struct ConfigurationContext: Sendable {
  public let service: ServiceName
  public let environment: AppEnvironment
}

/// A key without its type, for tables and messages.
public struct KeyDescription: Hashable, Sendable {
  public let name: String
  public let redaction: Redaction
  /// Nil means every service.
  public let services: Set<ServiceName>?

  public func isUsed(by service: ServiceName) -> Bool {
    services?.contains(service) ?? true
  }
}

/// One key of the configuration: its name, how its text becomes a value, and what holds when nobody sets it.
public struct ConfigurationKey<Value: Sendable>: Sendable {
  public let description: KeyDescription
  /// The text that counts when no source gives one; nil makes the key required.
  let defaultText: @Sendable (ConfigurationContext) -> String?
  /// What the reader hands out after it has noted a problem, so that reading goes on to find the others.
  let substitute: Value
  let parse: @Sendable (String) throws(ValueProblem) -> Value

  public var name: String { description.name }
}

/// Why a text is no value of a key, as the rest of a sentence that begins with the key: "must be ...".
struct ValueProblem: Error {
  let reason: String

  init(_ reason: String) {
    self.reason = reason
  }
}

/// Where a default comes from.
enum Default: Sendable {
  case required
  case text(String)
  case dependent(@Sendable (ConfigurationContext) -> String?)

  var resolve: @Sendable (ConfigurationContext) -> String? {
    switch self {
    case .required: { _ in nil }
    case .text(let text): { _ in text }
    case .dependent(let choose): choose
    }
  }
}

extension ConfigurationKey {
  init(
    _ name: String, _ fallback: Default, substitute: Value, services: Set<ServiceName>? = nil,
    redaction: Redaction = .shown, parse: @escaping @Sendable (String) throws(ValueProblem) -> Value
  ) {
    description = KeyDescription(name: name, redaction: redaction, services: services)
    defaultText = fallback.resolve
    self.substitute = substitute
    self.parse = parse
  }
}

extension ConfigurationKey where Value == Int {
  static func integer(
    _ name: String, _ fallback: Default, _ range: ClosedRange<Int>, services: Set<ServiceName>? = nil
  ) -> ConfigurationKey {
    ConfigurationKey(name, fallback, substitute: range.lowerBound, services: services) { text throws(ValueProblem) in
      try ValueText.integer(text, in: range)
    }
  }
}

extension ConfigurationKey where Value == Money {
  static func paise(
    _ name: String, _ fallback: Int, _ range: ClosedRange<Int>, services: Set<ServiceName>
  ) -> ConfigurationKey {
    ConfigurationKey(name, .text("\(fallback)"), substitute: .zero, services: services) { text throws(ValueProblem) in
      Money(paise: Int64(try ValueText.integer(text, in: range)))
    }
  }
}

extension ConfigurationKey where Value == Duration {
  enum Unit: Int, Sendable {
    case milliseconds = 1
    case seconds = 1_000
    case hours = 3_600_000
  }

  /// A whole number of `unit`.
  static func span(
    _ name: String, _ fallback: Int, _ range: ClosedRange<Int>, of unit: Unit, services: Set<ServiceName>? = nil
  ) -> ConfigurationKey {
    ConfigurationKey(name, .text("\(fallback)"), substitute: .seconds(1), services: services) {
      text throws(ValueProblem) in
      .milliseconds(try ValueText.integer(text, in: range) * unit.rawValue)
    }
  }
}

extension ConfigurationKey where Value == Bool {
  static func flag(_ name: String, _ fallback: Default, services: Set<ServiceName>? = nil) -> ConfigurationKey {
    ConfigurationKey(name, fallback, substitute: false, services: services) { text throws(ValueProblem) in
      switch text {
      case "true", "1": return true
      case "false", "0": return false
      default: throw ValueProblem("must be true or false")
      }
    }
  }
}

extension ConfigurationKey
where Value: CaseIterable & RawRepresentable, Value.RawValue == String, Value.AllCases: Sendable {
  static func choice(_ name: String, _ fallback: Value, services: Set<ServiceName>? = nil) -> ConfigurationKey {
    ConfigurationKey(name, .text(fallback.rawValue), substitute: fallback, services: services) {
      text throws(ValueProblem) in
      guard let value = Value(rawValue: text) else {
        let names = Value.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValueProblem("must be one of \(names)")
      }
      return value
    }
  }
}

extension ConfigurationKey where Value == String {
  /// Any text that is not blank.
  static func text(
    _ name: String, _ fallback: Default, services: Set<ServiceName>? = nil, redaction: Redaction = .shown,
    check: @escaping @Sendable (String) -> String? = { _ in nil }
  ) -> ConfigurationKey {
    ConfigurationKey(name, fallback, substitute: "", services: services, redaction: redaction) {
      text throws(ValueProblem) in
      guard !text.trimmed.isEmpty else { throw ValueProblem("must not be empty") }
      if let reason = check(text) { throw ValueProblem(reason) }
      return text
    }
  }
}

extension ConfigurationKey where Value == String? {
  /// A text that may be left out; a blank one counts as left out.
  static func optionalText(
    _ name: String, services: Set<ServiceName>? = nil, redaction: Redaction = .shown,
    check: @escaping @Sendable (String) -> String? = { _ in nil }
  ) -> ConfigurationKey {
    ConfigurationKey(name, .text(""), substitute: nil, services: services, redaction: redaction) {
      text throws(ValueProblem) in
      guard !text.trimmed.isEmpty else { return nil }
      if let reason = check(text) { throw ValueProblem(reason) }
      return text
    }
  }
}

/// Checks of texts that several keys share.
enum ValueText {
  static func integer(_ text: String, in range: ClosedRange<Int>) throws(ValueProblem) -> Int {
    guard let value = Int(text), range.contains(value) else {
      throw ValueProblem("must be an integer from \(range.lowerBound) to \(range.upperBound)")
    }
    return value
  }

  /// What stands in templates for a value that nobody filled in.
  static func isPlaceholder(_ text: String) -> Bool {
    let plain = text.trimmed
    guard !plain.isEmpty, !plain.contains("REPLACE_ME") else { return true }
    guard let open = plain.firstIndex(of: "<") else { return false }
    return plain[open...].contains(">")
  }

  /// What SPIFFE allows as the first part of an id.
  static func isTrustDomain(_ text: String) -> Bool {
    (1...255).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
          || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_")].contains(byte)
      }
  }

  /// Nil when `text` is `host:port`, `dns:///host:port`, or a comma-separated list of these.
  static func targetProblem(_ text: String) -> String? {
    let reason = "must be host:port, dns:///host:port, or a comma-separated list of these"
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      var address = String(part).trimmed
      if address.hasPrefix("dns:///") { address.removeFirst("dns:///".count) }
      guard let colon = address.lastIndex(of: ":"), colon != address.startIndex,
        let port = Int(address[address.index(after: colon)...]), (1...65_535).contains(port),
        !address.contains("/"), !address.contains(where: \.isWhitespace)
      else { return reason }
    }
    return nil
  }

  /// `text` with the user, the password and every option that may hold a secret replaced.
  static func hidingUserInfo(_ text: String) -> String {
    guard let scheme = text.firstRange(of: "://") else { return "(set)" }
    var rest = text[scheme.upperBound...]
    var credentials = ""
    // Up to the last @, because an unescaped slash in a password would end the authority early.
    if let at = rest.lastIndex(of: "@") {
      credentials = "***@"
      rest = rest[rest.index(after: at)...]
    }
    guard let mark = rest.firstIndex(of: "?") else { return text[..<scheme.upperBound] + credentials + rest }
    let options = rest[rest.index(after: mark)...].split(separator: "&").map { option in
      let name = option.prefix { $0 != "=" }
      let isSecret = name.lowercased().contains("password") || name.lowercased().contains("properties")
      return isSecret ? "\(name)=***" : String(option)
    }
    return text[..<scheme.upperBound] + credentials + rest[...mark] + options.joined(separator: "&")
  }
}
