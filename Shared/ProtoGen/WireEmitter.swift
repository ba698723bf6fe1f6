/// `<Namespace>.<File>.Wire.swift`: between the structs and protobuf-c.
struct WireEmitter {
  let schema: Schema

  func emit(_ file: FileDescriptor) throws(GenerationFailure) -> String {
    var out = CodeWriter()
    out.line("internal import CProtobufC")
    out.line("internal import CProtos")
    for message in file.allMessages {
      out.line()
      try emit(message, to: &out)
    }
    return out.text
  }

  private func emit(_ message: MessageDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    let type = SwiftNames.type(message.package, message.nesting)
    let properties = try schema.properties(of: message)
    let isRecursive = try schema.isRecursive(message)
    try out.block("extension \(type): WireMessage") { out throws(GenerationFailure) in
      out.line("typealias CStruct = \(CNames.type(message.fullName))")
      out.line()
      out.line("public static var fullName: String { \(message.fullName.literal) }")
      out.line()
      try out.block("static var descriptor: UnsafePointer<ProtobufCMessageDescriptor>") {
        $0.line(CNames.descriptorAccessor(message.fullName) + "()")
      }
      out.line()
      out.line("static var isRecursive: Bool { \(isRecursive) }")
      out.line()
      try out.block("public init(serialized bytes: UnsafeRawBufferPointer) throws(MessageFailure)") {
        $0.line("self = try WireCodec.decode(bytes)")
      }
      out.line()
      try out.block("public func serialized(behind room: Int) throws(MessageFailure) -> [UInt8]") {
        $0.line("try WireCodec.encode(self, behind: room)")
      }
      out.line()
      try out.block("init(c: UnsafeMutablePointer<CStruct>) throws(MessageFailure)") { out throws(GenerationFailure) in
        for property in properties { try emitRead(property, to: &out) }
        out.line("if c.pointee.base.n_unknown_fields > 0 { unknownFields = try UnknownFields(c.pointee.base) }")
      }
      out.line()
      try out.block("func fill(_ c: UnsafeMutablePointer<CStruct>, _ arena: Arena)") { out throws(GenerationFailure) in
        out.line("arena.begin(&c.pointee.base, Self.descriptor, fields: \(message.fields.count))")
        for property in properties { try emitWrite(property, to: &out) }
        out.line("unknownFields.fill(&c.pointee.base, arena)")
      }
    }
  }
}

// Reading.
extension WireEmitter {
  private func emitRead(_ property: Property, to out: inout CodeWriter) throws(GenerationFailure) {
    switch property {
    case .oneof(let oneof):
      out.line("switch c.pointee.\(oneof.cCase).rawValue {")
      for member in oneof.members {
        let value = Self.read(member, "c.pointee.\(member.cName)")
        let choice = ".\(member.property)"
        let isMessage = member.descriptor.kind == .message
        out.line("case \(member.descriptor.number):")
        out.line("  \(oneof.property) = \(isMessage ? "\(value).map { \(choice)($0) }" : "\(choice)(\(value))")")
      }
      out.line("default: \(oneof.property) = nil")
      out.line("}")
    case .field(let field):
      let source = "c.pointee.\(field.cName)"
      switch field.shape {
      case .plain: out.line("\(field.property) = \(Self.read(field, source))")
      case .message where !field.descriptor.isProto3Optional:
        out.line("\(field.property) = \(Self.read(field, source))")
      case .optional, .message:
        let isSet = "\(Self.presence(field)).rawValue == \(field.descriptor.number)"
        out.line("if \(isSet) {")
        out.line("  \(field.property) = \(Self.read(field, source))")
        out.line("} else {")
        out.line("  \(field.property) = nil")
        out.line("}")
      case .list: emitReadList(field, to: &out)
      case .map(let key, let value, _):
        out.line("\(field.property) = [:]")
        try out.block("for entry in UnsafeMutableBufferPointer(start: \(source), count: c.pointee.n_\(field.cName))") {
          out throws(GenerationFailure) in
          out.line("guard let entry else { throw .malformed }")
          let readKey = Self.read(key.kind, "entry.pointee.key", field.jsonName)
          let readValue = Self.read(value.kind, "entry.pointee.value", field.jsonName)
          let fallback = value.kind == .message ? " ?? .init()" : ""
          out.line("\(field.property)[\(readKey)] = \(readValue)\(fallback)")
        }
      }
    }
  }

  /// Which member of an optional field's own oneof is set.
  fileprivate static func presence(_ field: FieldModel) -> String {
    "c.pointee._\(field.descriptor.name.lowercased())_case"
  }

  private static func read(_ field: FieldModel, _ source: String) -> String {
    read(field.descriptor.kind, source, field.jsonName)
  }

  private static func read(_ kind: FieldDescriptor.Kind, _ source: String, _ jsonName: String) -> String {
    switch kind {
    case .string: "try \(source).string(\(jsonName.literal))"
    case .bytes: "\(source).array"
    case .bool: "\(source) != 0"
    case .enumeration: "WireRead.enumeration(\(source))"
    case .message: "try WireRead.message(\(source))"
    default: source
    }
  }

  private func emitReadList(_ field: FieldModel, to out: inout CodeWriter) {
    var arguments = ["c.pointee.n_\(field.cName)", "c.pointee.\(field.cName)"]
    let reader: String
    switch field.descriptor.kind {
    case .string:
      reader = "try WireRead.strings"
      arguments.append(field.jsonName.literal)
    case .bytes: reader = "WireRead.byteArrays"
    case .bool: reader = "WireRead.bools"
    case .enumeration: reader = "WireRead.enumerations"
    case .message: reader = "try WireRead.messages"
    default: reader = "WireRead.numbers"
    }
    out.call("\(field.property) = \(reader)", arguments, "")
  }
}

// Writing.
extension WireEmitter {
  private func emitWrite(_ property: Property, to out: inout CodeWriter) throws(GenerationFailure) {
    switch property {
    case .oneof(let oneof):
      out.line("switch \(oneof.property) {")
      for member in oneof.members {
        out.line("case .\(member.property)(let value):")
        out.line("  c.pointee.\(oneof.cCase) = .init(rawValue: \(member.descriptor.number))")
        out.line("  c.pointee.\(member.cName) = \(Self.write(member.descriptor.kind, "value"))")
      }
      out.line("case nil: break")
      out.line("}")
    case .field(let field):
      let target = "c.pointee.\(field.cName)"
      switch field.shape {
      case .plain: out.line("\(target) = \(Self.write(field.descriptor.kind, field.property))")
      case .message where !field.descriptor.isProto3Optional:
        out.line("\(target) = \(Self.write(.message, field.property))")
      case .optional, .message:
        try out.block("if let \(field.property)") { out throws(GenerationFailure) in
          out.line("\(Self.presence(field)) = .init(rawValue: \(field.descriptor.number))")
          out.line("\(target) = \(Self.write(field.descriptor.kind, field.property))")
        }
      case .list:
        out.line("c.pointee.n_\(field.cName) = \(field.property).count")
        out.line("\(target) = arena.\(Self.listWriter(field.descriptor.kind))(\(field.property))")
      case .map(let key, let value, let entry):
        out.line("c.pointee.n_\(field.cName) = \(field.property).count")
        try out.block("\(target) = arena.entries(\(field.property))") { out throws(GenerationFailure) in
          out.line("(entry: UnsafeMutablePointer<\(CNames.type(entry))>, key, value) in")
          out.line("arena.begin(&entry.pointee.base, \(CNames.descriptorAccessor(entry))(), fields: 2)")
          out.line("entry.pointee.key = \(Self.write(key.kind, "key"))")
          out.line("entry.pointee.value = \(Self.write(value.kind, "value"))")
        }
      }
    }
  }

  private static func write(_ kind: FieldDescriptor.Kind, _ value: String) -> String {
    switch kind {
    case .string, .bytes: "arena.binary(\(value))"
    case .bool: "\(value) ? 1 : 0"
    case .enumeration: "WireWrite.enumeration(\(value))"
    case .message: "arena.message(\(value))"
    default: value
    }
  }

  private static func listWriter(_ kind: FieldDescriptor.Kind) -> String {
    switch kind {
    case .string, .bytes: "binaries"
    case .bool: "bools"
    case .enumeration: "enumerations"
    case .message: "messages"
    default: "numbers"
    }
  }
}
