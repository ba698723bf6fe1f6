import Kernel

// A wrapper is written as the value inside it (proto3 JSON mapping).

extension GoogleProtobuf.DoubleValue {
  public init(json: JSONValue, path: JSONPath) throws(Failure) { self.init(value: try Double(json: json, path: path)) }
  public func writeJSON(to writer: inout JSONWriter) { value.writeJSON(to: &writer) }
  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.FloatValue {
  public init(json: JSONValue, path: JSONPath) throws(Failure) { self.init(value: try Float(json: json, path: path)) }
  public func writeJSON(to writer: inout JSONWriter) { value.writeJSON(to: &writer) }
  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.Int64Value {
  public init(json: JSONValue, path: JSONPath) throws(Failure) { self.init(value: try Int64(json: json, path: path)) }
  public func writeJSON(to writer: inout JSONWriter) { value.writeJSON(to: &writer) }
  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.UInt64Value {
  public init(json: JSONValue, path: JSONPath) throws(Failure) { self.init(value: try UInt64(json: json, path: path)) }
  public func writeJSON(to writer: inout JSONWriter) { value.writeJSON(to: &writer) }
  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.Int32Value {
  public init(json: JSONValue, path: JSONPath) throws(Failure) { self.init(value: try Int32(json: json, path: path)) }
  public func writeJSON(to writer: inout JSONWriter) { value.writeJSON(to: &writer) }
  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.UInt32Value {
  public init(json: JSONValue, path: JSONPath) throws(Failure) { self.init(value: try UInt32(json: json, path: path)) }
  public func writeJSON(to writer: inout JSONWriter) { value.writeJSON(to: &writer) }
  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.BoolValue {
  public init(json: JSONValue, path: JSONPath) throws(Failure) { self.init(value: try Bool(json: json, path: path)) }
  public func writeJSON(to writer: inout JSONWriter) { value.writeJSON(to: &writer) }
  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.StringValue {
  public init(json: JSONValue, path: JSONPath) throws(Failure) { self.init(value: try String(json: json, path: path)) }
  public func writeJSON(to writer: inout JSONWriter) { value.writeJSON(to: &writer) }
  public mutating func enforce(_ rules: inout RuleCheck) {}
}

extension GoogleProtobuf.BytesValue {
  public init(json: JSONValue, path: JSONPath) throws(Failure) { self.init(value: try Base64.decode(json, path)) }
  public func writeJSON(to writer: inout JSONWriter) { writer.string(Base64.encode(value)) }
  public mutating func enforce(_ rules: inout RuleCheck) {}
}
