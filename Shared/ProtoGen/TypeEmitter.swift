/// `<Namespace>.<File>.Types.swift`: the structs and enums as others see them.
struct TypeEmitter {
  let schema: Schema

  func emit(_ file: FileDescriptor) throws(GenerationFailure) -> String {
    var out = CodeWriter()
    try out.block("extension \(SwiftNames.namespace(file.package))") { out throws(GenerationFailure) in
      var isFirst = true
      for value in file.enums {
        if !isFirst { out.line() }
        isFirst = false
        try EnumEmitter.emit(value, to: &out)
      }
      for message in file.messages {
        if !isFirst { out.line() }
        isFirst = false
        try emit(message, to: &out)
      }
    }
    return out.text
  }

  private func emit(_ message: MessageDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    let properties = try schema.properties(of: message)
    out.doc(message.doc)
    let head = "public struct \(SwiftNames.escaped(message.name)): \(Self.conformance(message))"
    try out.block(head) { out throws(GenerationFailure) in
      for property in properties { try emit(property, to: &out) }
      out.line("public var unknownFields = UnknownFields()")
      out.line()
      try emitInitialisers(properties, to: &out)
      for value in message.enums {
        out.line()
        try EnumEmitter.emit(value, to: &out)
      }
      for nested in message.nested where !nested.isMapEntry {
        out.line()
        try emit(nested, to: &out)
      }
    }
  }

  private static func conformance(_ message: MessageDescriptor) -> String {
    func has(_ name: String, _ kind: FieldDescriptor.Kind) -> Bool {
      message.fields.contains { $0.name == name && $0.kind == kind && !$0.isProto3Optional && !$0.isRepeated }
    }
    if has("request_id", .string) { return "RequestIdentified" }
    return has("replayed", .bool) ? "ReplayMarked" : "Message"
  }

  private func emit(_ property: Property, to out: inout CodeWriter) throws(GenerationFailure) {
    switch property {
    case .field(let field):
      out.doc(field.descriptor.doc)
      out.line("public var \(field.property): \(field.swiftType)")
    case .oneof(let oneof):
      try out.block("public enum \(oneof.type): Sendable, Equatable") { out throws(GenerationFailure) in
        for member in oneof.members {
          out.doc(member.descriptor.doc)
          out.line("case \(member.property)(\(member.elementType))")
        }
      }
      out.line("public var \(oneof.property): \(oneof.type)?")
    }
  }

  /// Properties have no initial values, so that decoding sets each of them once.
  private func emitInitialisers(_ properties: [Property], to out: inout CodeWriter) throws(GenerationFailure) {
    guard let first = properties.first else {
      out.line("public init() {}")
      return
    }
    switch first {
    case .field(let field):
      out.line("public init() { self.init(\(SwiftNames.label(field.property)): \(field.defaultValue)) }")
    case .oneof(let oneof): out.line("public init() { self.init(\(SwiftNames.label(oneof.property)): nil) }")
    }
    var parameters: [String] = []
    var assignments: [String] = []
    for property in properties {
      switch property {
      case .field(let field):
        parameters.append("\(SwiftNames.label(field.property)): \(field.swiftType) = \(field.defaultValue)")
        assignments.append("self.\(SwiftNames.label(field.property)) = \(field.property)")
      case .oneof(let oneof):
        parameters.append("\(SwiftNames.label(oneof.property)): \(oneof.type)? = nil")
        assignments.append("self.\(SwiftNames.label(oneof.property)) = \(oneof.property)")
      }
    }
    out.line()
    out.call("public init", parameters, " {")
    for assignment in assignments { out.line("  " + assignment) }
    out.line("}")
  }
}
