// What the generator needs of google/protobuf/descriptor.proto; field numbers are those of that file.

/// Everything that protoc was given, in an order where imports come first.
struct Schema {
  let files: [FileDescriptor]

  init(descriptorSet bytes: [UInt8]) throws(GenerationFailure) {
    var files: [FileDescriptor] = []
    for file in try WireMessage(bytes).messages(1) { files.append(try FileDescriptor(file)) }
    self.files = files
  }

  /// Files that only describe other files and get no code: nobody sends options.
  static func isOptionsFile(_ name: String) -> Bool {
    name == "google/protobuf/descriptor.proto" || name == "mobo/common/v1/rules.proto"
  }

  /// Protos of gRPC and of Google, with names and numbers that are everybody's. Our rules are not for them.
  static func isPublicPackage(_ package: String) -> Bool {
    package.hasPrefix("grpc.") || package.hasPrefix("google.")
  }

  var generatedFiles: [FileDescriptor] { files.filter { !Self.isOptionsFile($0.name) } }

  func message(_ fullName: String) throws(GenerationFailure) -> MessageDescriptor {
    for file in files {
      if let found = file.allMessages.first(where: { $0.fullName == fullName }) { return found }
    }
    throw GenerationFailure("unknown message \(fullName)")
  }
}

struct FileDescriptor {
  let name: String
  let package: String
  let messages: [MessageDescriptor]
  let enums: [EnumDescriptor]
  let services: [ServiceDescriptor]

  init(_ wire: WireMessage) throws(GenerationFailure) {
    name = wire.string(1)
    package = wire.string(2)
    guard wire.string(12) == "proto3" || Schema.isOptionsFile(name) else {
      throw GenerationFailure("\(name): only proto3 is generated")
    }
    let comments = try Comments(wire.message(9))
    var messages: [MessageDescriptor] = []
    for (index, message) in try wire.messages(4).enumerated() {
      messages.append(try MessageDescriptor(message, [], package, comments, [4, index]))
    }
    self.messages = messages
    var enums: [EnumDescriptor] = []
    for (index, value) in try wire.messages(5).enumerated() {
      enums.append(try EnumDescriptor(value, [], package, comments, [5, index]))
    }
    self.enums = enums
    var services: [ServiceDescriptor] = []
    for (index, service) in try wire.messages(6).enumerated() {
      services.append(try ServiceDescriptor(service, package, comments, [6, index]))
    }
    self.services = services
  }

  /// Nested ones included, map entries not.
  var allMessages: [MessageDescriptor] {
    messages.flatMap(\.withNested)
  }
}

/// The comments of one file by the path of what they describe (SourceCodeInfo).
struct Comments {
  private var byPath: [[Int]: String] = [:]

  init(_ info: WireMessage?) throws(GenerationFailure) {
    guard let info else { return }
    for location in try info.messages(1) {
      let text = location.string(3) + location.string(4)
      if !text.isEmpty { byPath[try location.ints(1)] = text }
    }
  }

  subscript(_ path: [Int]) -> [String] {
    guard let text = byPath[path] else { return [] }
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      String(line.hasPrefix(" ") ? line.dropFirst() : line[...])
    }
    while lines.last == "" { lines.removeLast() }
    return lines
  }
}

struct MessageDescriptor {
  let name: String
  let fullName: String
  let package: String
  /// The names from the outermost message to this one.
  let nesting: [String]
  let fields: [FieldDescriptor]
  let nested: [MessageDescriptor]
  let enums: [EnumDescriptor]
  let oneofs: [String]
  let isMapEntry: Bool
  let doc: [String]

  init(
    _ wire: WireMessage, _ outer: [String], _ package: String, _ comments: Comments, _ path: [Int]
  ) throws(GenerationFailure) {
    name = wire.string(1)
    nesting = outer + [name]
    self.package = package
    fullName = ([package] + nesting).joined(separator: ".")
    var fields: [FieldDescriptor] = []
    for (index, field) in try wire.messages(2).enumerated() {
      fields.append(try FieldDescriptor(field, comments, path + [2, index]))
    }
    self.fields = fields
    var nested: [MessageDescriptor] = []
    for (index, message) in try wire.messages(3).enumerated() {
      nested.append(try MessageDescriptor(message, nesting, package, comments, path + [3, index]))
    }
    self.nested = nested
    var enums: [EnumDescriptor] = []
    for (index, value) in try wire.messages(4).enumerated() {
      enums.append(try EnumDescriptor(value, nesting, package, comments, path + [4, index]))
    }
    self.enums = enums
    oneofs = try wire.messages(8).map { $0.string(1) }
    isMapEntry = try wire.message(7)?.bool(7) ?? false
    doc = comments[path]
  }

  var withNested: [MessageDescriptor] {
    isMapEntry ? [] : [self] + nested.flatMap(\.withNested)
  }
}

struct FieldDescriptor {
  enum Kind: Int {
    case double = 1, float, int64, uint64, int32, fixed64, fixed32, bool, string, group, message, bytes, uint32
    case enumeration, sfixed32, sfixed64, sint32, sint64
  }

  let name: String
  let number: Int
  let isRepeated: Bool
  let kind: Kind
  /// The full name of the message or enum, without the leading dot.
  let typeName: String
  /// Of a real oneof; nil for proto3's `optional`.
  let oneofIndex: Int?
  let isProto3Optional: Bool
  let rules: FieldRules
  let doc: [String]

  init(_ wire: WireMessage, _ comments: Comments, _ path: [Int]) throws(GenerationFailure) {
    name = wire.string(1)
    number = wire.int(3)
    isRepeated = wire.int(4) == 3
    guard let kind = Kind(rawValue: wire.int(5)), kind != .group else {
      throw GenerationFailure("field \(name) has a type that is not generated")
    }
    self.kind = kind
    typeName = String(wire.string(6).drop { $0 == "." })
    isProto3Optional = wire.bool(17)
    oneofIndex = isProto3Optional ? nil : wire.varint(9).map { Int($0) }
    rules = FieldRules(try wire.message(8)?.message(50001) ?? WireMessage())
    doc = comments[path]
  }
}

struct EnumDescriptor {
  struct Value {
    let name: String
    let number: Int
    let stored: String?
    let doc: [String]
  }

  let name: String
  let fullName: String
  let package: String
  let nesting: [String]
  let values: [Value]
  let doc: [String]

  init(
    _ wire: WireMessage, _ outer: [String], _ package: String, _ comments: Comments, _ path: [Int]
  ) throws(GenerationFailure) {
    name = wire.string(1)
    nesting = outer + [name]
    self.package = package
    fullName = ([package] + nesting).joined(separator: ".")
    var values: [Value] = []
    for (index, value) in try wire.messages(2).enumerated() {
      let stored = try value.message(3)?.strings(50001).last
      values.append(
        Value(name: value.string(1), number: value.int(2), stored: stored, doc: comments[path + [2, index]]))
    }
    self.values = values
    doc = comments[path]
  }
}
