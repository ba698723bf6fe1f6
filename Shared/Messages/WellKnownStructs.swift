import Kernel

// A JSON value as a message. Its texts are taken as they are: neither trimmed nor searched, because they are records
// of what was accepted before.

extension GoogleProtobuf.Struct: ExpressibleByDictionaryLiteral {
  public init(dictionaryLiteral elements: (String, GoogleProtobuf.Value)...) {
    self.init(fields: Dictionary(elements) { $1 })
  }

  public subscript(name: String) -> GoogleProtobuf.Value? {
    get { fields[name] }
    set { fields[name] = newValue }
  }

  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    guard case .object(let members) = json else { throw .validation(path.text, "must be an object") }
    self.init()
    for member in members {
      fields[member.name] = try GoogleProtobuf.Value(json: member.value, path: path.member(member.name))
    }
  }

  public func writeJSON(to writer: inout JSONWriter) {
    writer.beginObject()
    for (name, value) in fields.sorted(by: { $0.key < $1.key }) { writer.field(name, value) }
    writer.endObject()
  }

  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.ListValue: ExpressibleByArrayLiteral {
  public init(arrayLiteral elements: GoogleProtobuf.Value...) {
    self.init(values: elements)
  }

  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    guard case .array(let elements) = json else { throw .validation(path.text, "must be a list") }
    self.init()
    for (index, element) in elements.enumerated() {
      values.append(try GoogleProtobuf.Value(json: element, path: path.element(index)))
    }
  }

  public func writeJSON(to writer: inout JSONWriter) {
    writer.beginArray()
    for value in values { value.writeJSON(to: &writer) }
    writer.endArray()
  }

  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.Value: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(_ text: String) { self.init(kind: .stringValue(text)) }
  public init(_ value: Bool) { self.init(kind: .boolValue(value)) }
  public init(_ texts: [String]) { self.init(kind: .listValue(.init(values: texts.map { Self($0) }))) }

  /// Integers become strings of digits, as in all JSON of this product: a double does not hold 64 bits.
  public init(_ value: Int64) { self.init(kind: .stringValue(String(value))) }

  public static let null = GoogleProtobuf.Value(kind: .nullValue(.nullValue))

  public init(stringLiteral value: String) { self.init(value) }
  public init(booleanLiteral value: Bool) { self.init(value) }
  public init(integerLiteral value: Int64) { self.init(value) }
  public init(arrayLiteral elements: GoogleProtobuf.Value...) {
    self.init(kind: .listValue(.init(values: elements)))
  }
  public init(dictionaryLiteral elements: (String, GoogleProtobuf.Value)...) {
    self.init(kind: .structValue(.init(fields: Dictionary(elements) { $1 })))
  }

  public var string: String? {
    if case .stringValue(let text) = kind { text } else { nil }
  }

  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    self.init()
    switch json {
    case .null: kind = .nullValue(.nullValue)
    case .bool(let value): kind = .boolValue(value)
    case .number: kind = .numberValue(try Double(json: json, path: path))
    case .string(let text): kind = .stringValue(text)
    case .array: kind = .listValue(try GoogleProtobuf.ListValue(json: json, path: path))
    case .object: kind = .structValue(try GoogleProtobuf.Struct(json: json, path: path))
    }
  }

  /// A value without a kind, which JSON does not have, is written as null.
  public func writeJSON(to writer: inout JSONWriter) {
    switch kind {
    case .nullValue, nil: writer.null()
    case .numberValue(let value): writer.number(value)
    case .stringValue(let text): writer.string(text)
    case .boolValue(let value): writer.bool(value)
    case .structValue(let value): value.writeJSON(to: &writer)
    case .listValue(let value): value.writeJSON(to: &writer)
    }
  }

  public mutating func enforce(_ rules: inout RuleCheck) {}
}
