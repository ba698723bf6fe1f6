import Kernel

/// How text must look besides its length.
public enum TextFormat: Sendable {
  /// 24 lower-case hex characters.
  case objectID
  /// 1 to 64 of `[A-Za-z0-9_-]`.
  case requestID

  /// Nil when `text` has this form.
  public func violation(of text: String) -> String? {
    switch self {
    case .objectID:
      return ObjectID(text) != nil ? nil : "must be an id of 24 lower-case hex characters"
    case .requestID:
      let isValid = (1...64).contains(text.utf8.count) && text.utf8.allSatisfy(Self.isWord)
      return isValid ? nil : "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
      || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
  }
}

/// The rules of one text field. Lengths count Unicode scalars of the trimmed text.
struct TextRules {
  var required = false
  var min = 0
  /// 0 means unlimited.
  var max = 0
  var format: TextFormat?
  /// Neither trimmed nor searched for forbidden characters.
  var verbatim = false
}

/// Applies the rules that the protos declare, field by field, and collects what is wrong. Generated code calls it.
public struct RuleCheck: Sendable {
  public private(set) var violations: [FieldViolation] = []
  /// The path of the message that is being checked, with a dot at its end unless it is the root.
  private var prefix = ""

  public init() {}

  /// Adds a violation of a field of the message that is being checked.
  public mutating func violate(_ name: String, _ message: String) {
    violations.append(FieldViolation(prefix + name, message))
  }

  mutating func text(_ name: String, _ text: inout String, _ rules: TextRules = TextRules()) {
    if !rules.verbatim, Self.needsTrimming(text) { text = text.trimmed }
    guard !text.isEmpty else {
      if rules.required { violate(name, "must not be blank") }
      return
    }
    if !rules.verbatim, Self.isForbidden(text) {
      violate(name, "must not contain control characters or repeated ../")
    }
    // There are never more scalars than bytes: short text need not be counted.
    if rules.min > 0, text.unicodeScalars.count < rules.min {
      violate(name, "must be at least \(rules.min) characters")
    }
    if rules.max > 0, text.utf8.count > rules.max, text.unicodeScalars.count > rules.max {
      violate(name, "must be at most \(rules.max) characters")
    }
    if let message = rules.format?.violation(of: text) { violate(name, message) }
  }

  /// A blank optional text becomes absent.
  mutating func text(_ name: String, _ text: inout String?, _ rules: TextRules = TextRules()) {
    var given = text ?? ""
    self.text(name, &given, rules)
    text = given.isEmpty ? nil : given
  }

  mutating func texts(
    _ name: String, _ texts: inout [String], _ rules: TextRules = TextRules(), maxItems: Int = 0
  ) {
    var each = rules
    each.required = false
    count(name, texts.count, required: rules.required, maxItems: maxItems)
    for index in texts.indices { text("\(name)[\(index)]", &texts[index], each) }
  }

  mutating func bytes(_ name: String, _ bytes: [UInt8]?, required: Bool = false, max: Int = 0) {
    let length = bytes?.count ?? 0
    if required, length == 0 { violate(name, "must not be empty") }
    if max > 0, length > max { violate(name, "must be at most \(max) bytes") }
  }

  /// An absent optional integer has nothing to be checked.
  mutating func integer(_ name: String, _ value: (some BinaryInteger)?, min: Int64? = nil, max: Int64? = nil) {
    guard let value else { return }
    switch (min, max) {
    case (let min?, let max?):
      if value < min || value > max { violate(name, "must be between \(min) and \(max)") }
    case (let min?, nil):
      if value < min { violate(name, "must be at least \(min)") }
    case (nil, let max?):
      if value > max { violate(name, "must be at most \(max)") }
    case (nil, nil): break
    }
  }

  mutating func choice<E: ProtoEnum>(_ name: String, _ value: E, required: Bool = false) {
    if value.isUnspecified {
      if required { violate(name, "must be given") }
    } else if !value.isKnown {
      violate(name, "must be one of \(E.choices)")
    }
  }

  /// An optional choice of the unspecified value becomes absent.
  mutating func choice<E: ProtoEnum>(_ name: String, _ value: inout E?, required: Bool = false) {
    choice(name, value ?? E(), required: required)
    if value?.isUnspecified == true { value = nil }
  }

  mutating func choices<E: ProtoEnum>(_ name: String, _ values: [E], required: Bool = false, maxItems: Int = 0) {
    count(name, values.count, required: required, maxItems: maxItems)
    for (index, value) in values.enumerated() { choice("\(name)[\(index)]", value, required: true) }
  }

  mutating func message<M: Message>(_ name: String, _ message: inout M?, required: Bool = false) {
    guard message != nil else {
      if required { violate(name, "must be given") }
      return
    }
    var given = message.take() ?? M()
    nested(name, &given)
    message = given
  }

  mutating func messages<M: Message>(
    _ name: String, _ messages: inout [M], required: Bool = false, maxItems: Int = 0
  ) {
    count(name, messages.count, required: required, maxItems: maxItems)
    for index in messages.indices { nested("\(name)[\(index)]", &messages[index]) }
  }

  mutating func count(_ name: String, _ count: Int, required: Bool = false, maxItems: Int = 0) {
    if required, count == 0 { violate(name, "must not be empty") }
    if maxItems > 0, count > maxItems { violate(name, "must have at most \(maxItems) items") }
  }

  private mutating func nested<M: Message>(_ name: String, _ message: inout M) {
    let outer = prefix
    prefix += name + "."
    message.enforce(&self)
    prefix = outer
  }

  /// Trimming copies; most text has nothing to trim.
  private static func needsTrimming(_ text: String) -> Bool {
    let visible: ClosedRange<UInt8> = 0x21...0x7E
    if let first = text.utf8.first, let last = text.utf8.last, visible.contains(first), visible.contains(last) {
      return false
    }
    guard let first = text.unicodeScalars.first, let last = text.unicodeScalars.last else { return false }
    return first.properties.isWhitespace || last.properties.isWhitespace
  }

  /// U+0000, U+001A, U+007F, or `../` twice in a row (DOMAIN 0.1).
  private static func isForbidden(_ text: String) -> Bool {
    var matched = 0
    let climb: StaticString = "../../"
    for byte in text.utf8 {
      if byte == 0x00 || byte == 0x1A || byte == 0x7F { return true }
      if byte == climb.utf8Start[matched] {
        matched += 1
        if matched == climb.utf8CodeUnitCount { return true }
      } else if byte == UInt8(ascii: ".") {
        // Only after two dots is another one not expected: `...` still ends in the two that start a climb.
        matched = 2
      } else {
        matched = 0
      }
    }
    return false
  }
}
