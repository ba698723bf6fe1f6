/// `<Namespace>.<File>.JSON.swift`: the canonical JSON mapping.
struct JSONEmitter {
  let schema: Schema

  /// Messages whose JSON is not an object of their fields: written by hand beside the generated code.
  static let writtenByHand: Set<String> = [
    "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.Struct", "google.protobuf.Value",
    "google.protobuf.ListValue", "google.protobuf.DoubleValue", "google.protobuf.FloatValue",
    "google.protobuf.Int64Value", "google.protobuf.UInt64Value", "google.protobuf.Int32Value",
    "google.protobuf.UInt32Value", "google.protobuf.BoolValue", "google.protobuf.StringValue",
    "google.protobuf.BytesValue",
  ]

  func emit(_ file: FileDescriptor) throws(GenerationFailure) -> String? {
    let messages = file.allMessages.filter { !Self.writtenByHand.contains($0.fullName) }
    guard !messages.isEmpty else { return nil }
    var out = CodeWriter()
    out.line("import Kernel")
    for message in messages {
      out.line()
      try emit(message, to: &out)
    }
    return out.text
  }

  private func emit(_ message: MessageDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    let properties = try schema.properties(of: message)
    try out.block("extension \(SwiftNames.type(message.package, message.nesting))") { out throws(GenerationFailure) in
      try out.block("public init(json: JSONValue, path: JSONPath) throws(Failure)") { out throws(GenerationFailure) in
        out.line("self.init()")
        out.line("\(properties.isEmpty ? "let" : "var") reader = try JSONObjectReader(json, path)")
        for property in properties { try emitRead(property, to: &out) }
        out.line("try reader.finish()")
      }
      out.line()
      try out.block("public func writeJSON(to writer: inout JSONWriter)") { out throws(GenerationFailure) in
        out.line("writer.beginObject()")
        for property in properties { try emitWrite(property, to: &out) }
        out.line("writer.endObject()")
      }
    }
  }

  private func emitRead(_ property: Property, to out: inout CodeWriter) throws(GenerationFailure) {
    switch property {
    case .field(let field): out.line("try reader.\(Self.read(field, field.property))")
    case .oneof(let oneof):
      for member in oneof.members {
        let name = "\(member.jsonName)Member"
        out.line("var \(name): \(member.elementType)?")
        out.line("try reader.\(Self.read(member, name))")
        try out.block("if let \(name)") { out throws(GenerationFailure) in
          out.line("try reader.requireUnset(\(member.jsonName.literal), \(oneof.property))")
          out.line("\(oneof.property) = .\(member.property)(\(name))")
        }
      }
    }
  }

  private static func read(_ field: FieldModel, _ target: String) -> String {
    let label = field.descriptor.kind == .bytes ? "bytes: " : ""
    return "read(\(field.jsonName.literal), \(field.descriptor.name.literal), \(label)&\(target))"
  }

  private func emitWrite(_ property: Property, to out: inout CodeWriter) throws(GenerationFailure) {
    switch property {
    case .field(let field): out.line(Self.write(field, field.property))
    case .oneof(let oneof):
      out.line("switch \(oneof.property) {")
      for member in oneof.members {
        out.line("case .\(member.property)(let value): \(Self.write(member, "value"))")
      }
      out.line("case nil: break")
      out.line("}")
    }
  }

  private static func write(_ field: FieldModel, _ source: String) -> String {
    let label = field.descriptor.kind == .bytes ? "bytes: " : ""
    return "writer.field(\(field.jsonName.literal), \(label)\(source))"
  }
}
