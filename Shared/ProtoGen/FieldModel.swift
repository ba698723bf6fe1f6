/// One property of a message in Swift: a field, or a oneof with its members.
enum Property {
  case field(FieldModel)
  case oneof(OneofModel)
}

struct OneofModel {
  let property: String
  /// The nested enum: `Kind` for `kind`.
  let type: String
  let cCase: String
  let members: [FieldModel]
}

/// A field with every spelling that the emitters need.
struct FieldModel {
  enum Shape {
    /// Always there, with a default.
    case plain
    /// Absent or there: proto3 `optional`.
    case optional
    /// A message, absent or there.
    case message
    case list
    case map(key: MapPart, value: MapPart, entry: String)
  }

  /// The key or the value of a map.
  struct MapPart {
    let kind: FieldDescriptor.Kind
    let swiftType: String
  }

  let descriptor: FieldDescriptor
  let shape: Shape
  let property: String
  let jsonName: String
  /// Of one element: `String`, `CommonV1.Role`.
  let elementType: String
  let cName: String

  init(_ field: FieldDescriptor, of message: MessageDescriptor, _ schema: Schema) throws(GenerationFailure) {
    descriptor = field
    property = SwiftNames.property(field)
    jsonName = SwiftNames.lowerCamel(field.name)
    elementType = try Self.swiftType(field, schema)
    cName = CNames.field(field.name)
    let entry = message.nested.first { $0.isMapEntry && $0.fullName == field.typeName }
    if let entry, field.isRepeated, entry.fields.count == 2 {
      guard entry.fields[0].kind == .string, entry.fields[1].kind != .bytes else {
        throw GenerationFailure("\(entry.fullName): only maps from strings to other values than bytes are generated")
      }
      shape = .map(
        key: MapPart(kind: entry.fields[0].kind, swiftType: try Self.swiftType(entry.fields[0], schema)),
        value: MapPart(kind: entry.fields[1].kind, swiftType: try Self.swiftType(entry.fields[1], schema)),
        entry: entry.fullName)
    } else if field.isRepeated {
      shape = .list
    } else if field.kind == .message {
      shape = .message
    } else {
      shape = field.isProto3Optional ? .optional : .plain
    }
  }

  var swiftType: String {
    switch shape {
    case .plain: elementType
    case .optional, .message: "\(elementType)?"
    case .list: "[\(elementType)]"
    case .map(let key, let value, _): "[\(key.swiftType): \(value.swiftType)]"
    }
  }

  var defaultValue: String {
    switch shape {
    case .optional, .message: "nil"
    case .list: "[]"
    case .map: "[:]"
    case .plain:
      switch descriptor.kind {
      case .string: "\"\""
      case .bytes: "[]"
      case .bool: "false"
      case .enumeration: "\(elementType)()"
      default: "0"
      }
    }
  }

  private static func swiftType(_ field: FieldDescriptor, _ schema: Schema) throws(GenerationFailure) -> String {
    switch field.kind {
    case .double: return "Double"
    case .float: return "Float"
    case .int64, .sint64, .sfixed64: return "Int64"
    case .uint64, .fixed64: return "UInt64"
    case .int32, .sint32, .sfixed32: return "Int32"
    case .uint32, .fixed32: return "UInt32"
    case .bool: return "Bool"
    case .string: return "String"
    case .bytes: return "[UInt8]"
    case .message, .enumeration: return try schema.swiftType(field.typeName)
    case .group: throw GenerationFailure("field \(field.name) is a group")
    }
  }
}

extension Schema {
  /// The Swift spelling of a message or an enum by its full proto name.
  func swiftType(_ fullName: String) throws(GenerationFailure) -> String {
    for file in files {
      let nesting = allNestings(file)
      if let found = nesting.first(where: { ([file.package] + $0).joined(separator: ".") == fullName }) {
        return SwiftNames.type(file.package, found)
      }
    }
    throw GenerationFailure("unknown type \(fullName)")
  }

  private func allNestings(_ file: FileDescriptor) -> [[String]] {
    func nestings(_ message: MessageDescriptor) -> [[String]] {
      [message.nesting] + message.enums.map(\.nesting) + message.nested.flatMap(nestings)
    }
    return file.messages.flatMap(nestings) + file.enums.map(\.nesting)
  }

  /// Fields in the order of the proto; a oneof stands where its first member does.
  func properties(of message: MessageDescriptor) throws(GenerationFailure) -> [Property] {
    var properties: [Property] = []
    var seen: Set<Int> = []
    for field in message.fields {
      guard let index = field.oneofIndex else {
        properties.append(.field(try FieldModel(field, of: message, self)))
        continue
      }
      guard seen.insert(index).inserted else { continue }
      var members: [FieldModel] = []
      for member in message.fields where member.oneofIndex == index {
        members.append(try FieldModel(member, of: message, self))
      }
      let name = message.oneofs[index]
      properties.append(
        .oneof(
          OneofModel(
            property: SwiftNames.escaped(SwiftNames.lowerCamel(name)), type: SwiftNames.upperCamel(name),
            cCase: "\(name.lowercased())_case", members: members)))
    }
    return properties
  }

  /// True when this type, or a type inside it, can contain itself.
  func isRecursive(_ message: MessageDescriptor) throws(GenerationFailure) -> Bool {
    var above: Set<String> = []
    var done: Set<String> = []
    func visit(_ message: MessageDescriptor) throws(GenerationFailure) -> Bool {
      guard !done.contains(message.fullName) else { return false }
      guard above.insert(message.fullName).inserted else { return true }
      for field in message.fields where field.kind == .message {
        if let entry = message.nested.first(where: { $0.isMapEntry && $0.fullName == field.typeName }) {
          if try visit(entry) { return true }
        } else if try visit(self.message(field.typeName)) {
          return true
        }
      }
      above.remove(message.fullName)
      done.insert(message.fullName)
      return false
    }
    return try visit(message)
  }

  /// True when this message or one inside it has a field marked `secret`.
  func hasSecrets(_ message: MessageDescriptor) throws(GenerationFailure) -> Bool {
    guard try !isRecursive(message) else { return message.fields.contains { $0.rules.secret } }
    for field in message.fields {
      if field.rules.secret { return true }
      let isMap = message.nested.contains { $0.isMapEntry && $0.fullName == field.typeName }
      if field.kind == .message, !isMap, try hasSecrets(self.message(field.typeName)) { return true }
    }
    return false
  }

  /// True when this message of ours or one inside it has a field of bytes: a picture. Those of others are no requests
  /// that anybody remembers.
  func hasBytes(_ message: MessageDescriptor) throws(GenerationFailure) -> Bool {
    guard message.package.hasPrefix("mobo."), try !isRecursive(message) else { return false }
    for field in message.fields where field.oneofIndex == nil {
      if field.kind == .bytes { return true }
      let isMap = message.nested.contains { $0.isMapEntry && $0.fullName == field.typeName }
      if field.kind == .message, !isMap, try hasBytes(self.message(field.typeName)) { return true }
    }
    return false
  }
}
