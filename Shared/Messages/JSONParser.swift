import Kernel

/// A strict recursive parser of one JSON text (RFC 8259). Recursion ends at `JSONLimits.depthMax`.
struct JSONParser {
  private let bytes: UnsafeBufferPointer<UInt8>
  private var position = 0
  private var values = 0
  private var path: [JSONStep] = []

  private enum JSONStep {
    case member(String)
    case element(Int)
  }

  init(_ bytes: UnsafeBufferPointer<UInt8>) {
    self.bytes = bytes
  }

  mutating func parseText() throws(Failure) -> JSONValue {
    do {
      _ = try UTF8Span(validating: bytes.span)
    } catch {
      throw refusal("must be valid UTF-8")
    }
    skipSpace()
    let value = try parseValue(depth: 1)
    skipSpace()
    guard position == bytes.count else { throw syntax() }
    return value
  }

  private mutating func parseValue(depth: Int) throws(Failure) -> JSONValue {
    guard depth <= JSONLimits.depthMax else { throw refusal("is nested too deeply") }
    values += 1
    guard values <= JSONLimits.valuesMax else { throw refusal("has too many values") }
    guard let first = peek() else { throw syntax() }
    switch first {
    case UInt8(ascii: "{"): return try parseObject(depth: depth)
    case UInt8(ascii: "["): return try parseArray(depth: depth)
    case UInt8(ascii: "\""): return .string(try parseString())
    case UInt8(ascii: "t"): return try parseWord("true", .bool(true))
    case UInt8(ascii: "f"): return try parseWord("false", .bool(false))
    case UInt8(ascii: "n"): return try parseWord("null", .null)
    default: return .number(try parseNumber())
    }
  }

  private static let comparedMembersMax = 12

  private mutating func parseObject(depth: Int) throws(Failure) -> JSONValue {
    position += 1
    var members: [JSONMember] = []
    var names: Set<String> = []  // Only of large objects; a few names are compared faster than hashed.
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object([]) }
    repeat {
      skipSpace()
      guard peek() == UInt8(ascii: "\"") else { throw syntax() }
      let name = try parseString()
      path.append(.member(name))
      if members.count < Self.comparedMembersMax {
        guard !members.contains(where: { $0.name == name }) else { throw refusal("is given more than once") }
      } else {
        if names.isEmpty { names = Set(members.map(\.name)) }
        guard names.insert(name).inserted else { throw refusal("is given more than once") }
      }
      guard members.count < JSONLimits.membersMax else { throw refusal("is one of too many members") }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw syntax() }
      skipSpace()
      members.append(JSONMember(name, try parseValue(depth: depth + 1)))
      path.removeLast()
      skipSpace()
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "}")) else { throw syntax() }
    return .object(members)
  }

  private mutating func parseArray(depth: Int) throws(Failure) -> JSONValue {
    position += 1
    var elements: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array([]) }
    repeat {
      skipSpace()
      path.append(.element(elements.count))
      elements.append(try parseValue(depth: depth + 1))
      path.removeLast()
      skipSpace()
    } while take(UInt8(ascii: ","))
    guard take(UInt8(ascii: "]")) else { throw syntax() }
    return .array(elements)
  }

  private mutating func parseWord(_ word: StaticString, _ value: JSONValue) throws(Failure) -> JSONValue {
    let length = word.utf8CodeUnitCount
    guard bytes.count - position >= length else { throw syntax() }
    for index in 0..<length where bytes[position + index] != word.utf8Start[index] { throw syntax() }
    position += length
    return value
  }

  /// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
  private mutating func parseNumber() throws(Failure) -> String {
    let start = position
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) {
      try parseDigits()
    }
    if take(UInt8(ascii: ".")) {
      try parseDigits()
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try parseDigits()
    }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func parseDigits() throws(Failure) {
    let start = position
    while let byte = peek(), (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    guard position > start else { throw syntax() }
  }
}

extension JSONParser {
  /// Whole runs without escapes are copied at once, so that megabytes of base64 cost one pass.
  private mutating func parseString() throws(Failure) -> String {
    position += 1
    var text = ""
    var start = position
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "\"") {
        let run = run(from: start)
        position += 1
        return text.isEmpty ? run : text + run
      }
      if byte == UInt8(ascii: "\\") {
        text += run(from: start)
        position += 1
        text.unicodeScalars.append(try parseEscape())
        start = position
      } else {
        guard byte >= 0x20 else { throw syntax() }
        position += 1
      }
    }
    throw syntax()
  }

  private func run(from start: Int) -> String {
    start == position ? "" : String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func parseEscape() throws(Failure) -> Unicode.Scalar {
    guard let byte = peek() else { throw syntax() }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): return try parseUnicodeEscape()
    default: throw syntax()
    }
  }

  /// Four hex digits, or two such escapes that form a surrogate pair; half a pair is refused.
  private mutating func parseUnicodeEscape() throws(Failure) -> Unicode.Scalar {
    let unit = try parseHex()
    if let scalar = Unicode.Scalar(unit) { return scalar }
    guard (0xD800...0xDBFF).contains(unit), take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
      throw refusal("contains half of a surrogate pair")
    }
    let low = try parseHex()
    guard (0xDC00...0xDFFF).contains(low),
      let scalar = Unicode.Scalar(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))
    else { throw refusal("contains half of a surrogate pair") }
    return scalar
  }

  private mutating func parseHex() throws(Failure) -> UInt32 {
    guard bytes.count - position >= 4 else { throw syntax() }
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else { throw syntax() }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }
}

extension JSONParser {
  private func peek() -> UInt8? {
    position < bytes.count ? bytes[position] : nil
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard peek() == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  private func syntax() -> Failure {
    .validation("body", "must be valid JSON (byte \(position))")
  }

  private func refusal(_ message: String) -> Failure {
    let text = path.reduce(JSONPath.root) { path, step in
      switch step {
      case .member(let name): path.member(name)
      case .element(let index): path.element(index)
      }
    }
    return .validation(text == .root ? "body" : text.text, message)
  }
}
