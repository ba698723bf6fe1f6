// The options of mobo/common/v1/rules.proto; field numbers are those of that file.

/// Limits of one field.
struct FieldRules {
  let required: Bool
  let minLength: Int
  let maxLength: Int
  let min: Int64?
  let max: Int64?
  let format: Int
  let maxItems: Int
  let verbatim: Bool
  let secret: Bool

  init(_ wire: WireMessage) {
    required = wire.bool(1)
    minLength = wire.int(2)
    maxLength = wire.int(3)
    min = wire.varint(4).map { Int64(bitPattern: $0) }
    max = wire.varint(5).map { Int64(bitPattern: $0) }
    format = wire.int(6)
    maxItems = wire.int(7)
    verbatim = wire.bool(8)
    secret = wire.bool(9)
  }
}

/// Who may call a method.
struct MethodRules {
  let isPublic: Bool
  let roles: [String]
  let callers: [String]
  let mutating: Bool
  let bodyBytesMax: Int

  /// Of the public services of gRPC: they are infrastructure, and options of ours have no place in their protos.
  static let open = MethodRules(WireMessage(fields: [WireField(number: 1, value: .varint(1))]))

  init(_ wire: WireMessage) {
    isPublic = wire.bool(1)
    roles = wire.strings(2)
    callers = wire.strings(3)
    mutating = wire.bool(4)
    bodyBytesMax = wire.int(5)
  }
}

struct ServiceDescriptor {
  let name: String
  let fullName: String
  /// What its generated types begin with: the name, and the version of the package unless that is the first.
  let swiftName: String
  let methods: [MethodDescriptor]
  let doc: [String]

  init(_ wire: WireMessage, _ package: String, _ comments: Comments, _ path: [Int]) throws(GenerationFailure) {
    name = wire.string(1)
    fullName = "\(package).\(name)"
    swiftName = name + SwiftNames.versionSuffix(package)
    var methods: [MethodDescriptor] = []
    for (index, method) in try wire.messages(2).enumerated() {
      methods.append(
        try MethodDescriptor(method, comments, path + [2, index], isOpen: Schema.isPublicPackage(package)))
    }
    self.methods = methods
    doc = comments[path]
  }

  /// For other services only.
  var isInternal: Bool { name.hasSuffix("InternalService") }

  /// Routed by the gateway.
  var isPublic: Bool { fullName.hasPrefix("mobo.") && !isInternal }
}

struct MethodDescriptor {
  /// The raw values are the cases of the runtime's `CallKind`.
  enum Kind: String {
    case unary, clientStreaming, serverStreaming, bidirectional
  }

  let name: String
  let input: String
  let output: String
  let kind: Kind
  /// Nil without the option.
  let rules: MethodRules?
  let doc: [String]

  /// - Parameter isOpen: what a method without the option means.
  init(_ wire: WireMessage, _ comments: Comments, _ path: [Int], isOpen: Bool) throws(GenerationFailure) {
    name = wire.string(1)
    input = String(wire.string(2).drop { $0 == "." })
    output = String(wire.string(3).drop { $0 == "." })
    kind =
      switch (wire.bool(5), wire.bool(6)) {
      case (false, false): .unary
      case (true, false): .clientStreaming
      case (false, true): .serverStreaming
      case (true, true): .bidirectional
      }
    rules = try wire.message(4)?.message(50001).map { MethodRules($0) } ?? (isOpen ? .open : nil)
    doc = comments[path]
  }
}
