/// Open enums: a number with names for the values that this version knows.
enum EnumEmitter {
  static func emit(_ value: EnumDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    guard value.values.first?.number == 0 else { throw GenerationFailure("\(value.fullName) does not begin with 0") }
    let cases = value.values.map { (SwiftNames.escaped(SwiftNames.enumCase($0.name, of: value.name)), $0) }
    out.doc(value.doc)
    try out.block("public struct \(SwiftNames.escaped(value.name)): ProtoEnum") { out throws(GenerationFailure) in
      out.line("public let rawValue: Int32")
      out.line()
      out.line("public init(rawValue: Int32) { self.rawValue = rawValue }")
      out.line()
      for (name, value) in cases {
        out.doc(value.doc)
        out.line("public static let \(name) = Self(rawValue: \(value.number))")
      }
      out.line()
      out.list("public static let allCases: [Self] = ", cases.map { ".\($0.0)" })
      out.line()
      try emitNames(cases, to: &out)
      out.line()
      try emitStored(cases, to: &out)
    }
  }

  private static func emitNames(
    _ cases: [(String, EnumDescriptor.Value)], to out: inout CodeWriter
  ) throws(GenerationFailure) {
    try out.block("public var name: String?") { out throws(GenerationFailure) in
      out.line("switch rawValue {")
      var seen: Set<Int> = []
      for (_, value) in cases where seen.insert(value.number).inserted {
        out.line("case \(value.number): \(value.name.literal)")
      }
      out.line("default: nil")
      out.line("}")
    }
    out.line()
    try out.block("public init?(name: String)") { out throws(GenerationFailure) in
      out.line("switch name {")
      for (name, value) in cases { out.line("case \(value.name.literal): self = .\(name)") }
      out.line("default: return nil")
      out.line("}")
    }
  }

  private static func emitStored(
    _ cases: [(String, EnumDescriptor.Value)], to out: inout CodeWriter
  ) throws(GenerationFailure) {
    let stored = cases.compactMap { name, value in value.stored.map { (name, value.number, $0) } }
    guard !stored.isEmpty else {
      out.line("public var stored: String? { nil }")
      out.line()
      out.line("public init?(stored: String) { return nil }")
      return
    }
    try out.block("public var stored: String?") { out throws(GenerationFailure) in
      out.line("switch rawValue {")
      for (_, number, text) in stored { out.line("case \(number): \(text.literal)") }
      out.line("default: nil")
      out.line("}")
    }
    out.line()
    try out.block("public init?(stored: String)") { out throws(GenerationFailure) in
      out.line("switch stored {")
      for (name, _, text) in stored { out.line("case \(text.literal): self = .\(name)") }
      out.line("default: return nil")
      out.line("}")
    }
  }
}
