internal import Messages

/// What a proto file declares, read from its descriptor (google/protobuf/descriptor.proto has the field numbers).
struct DescribedFile {
  struct Extension {
    /// The full name of the message that is extended.
    let extendee: String
    let number: Int32
  }

  let name: String
  let descriptor: [UInt8]
  let imports: [String]
  /// Full names of everything in it: messages, fields, oneofs, enums and their values, services, methods, extensions.
  private(set) var symbols: [String] = []
  private(set) var messages: [String] = []
  private(set) var extensions: [Extension] = []

  init(_ file: ProtoFile) {
    name = file.name
    descriptor = file.descriptor
    let fields = DescriptorFields(file.descriptor[...])
    imports = fields.texts(3)
    let package = fields.texts(2).last ?? ""
    for field in fields {
      switch field.number {
      case 4: addMessage(field.fields, in: package)
      case 5: addEnum(field.fields, in: package)
      case 6: addService(field.fields, in: package)
      case 7: addExtension(field.fields, in: package)
      default: break
      }
    }
  }

  private static func join(_ scope: String, _ name: String) -> String {
    scope.isEmpty ? name : "\(scope).\(name)"
  }

  /// Adds what the message calls itself, and returns its full name.
  private mutating func add(_ fields: DescriptorFields, in scope: String) -> String {
    let name = Self.join(scope, fields.texts(1).last ?? "")
    symbols.append(name)
    return name
  }

  private mutating func addMessage(_ fields: DescriptorFields, in scope: String) {
    let name = add(fields, in: scope)
    messages.append(name)
    for field in fields {
      switch field.number {
      case 2, 8: _ = add(field.fields, in: name)
      case 3: addMessage(field.fields, in: name)
      case 4: addEnum(field.fields, in: name)
      case 6: addExtension(field.fields, in: name)
      default: break
      }
    }
  }

  /// Values of an enum are named in the scope around it, as protobuf has it.
  private mutating func addEnum(_ fields: DescriptorFields, in scope: String) {
    _ = add(fields, in: scope)
    for field in fields where field.number == 2 { _ = add(field.fields, in: scope) }
  }

  private mutating func addService(_ fields: DescriptorFields, in scope: String) {
    let name = add(fields, in: scope)
    for field in fields where field.number == 2 { _ = add(field.fields, in: name) }
  }

  private mutating func addExtension(_ fields: DescriptorFields, in scope: String) {
    _ = add(fields, in: scope)
    var number: UInt64 = 0
    for field in fields where field.number == 3 { number = field.value }
    guard let extendee = fields.texts(2).last else { return }
    extensions.append(
      Extension(extendee: String(extendee.drop { $0 == "." }), number: Int32(truncatingIfNeeded: number)))
  }
}
