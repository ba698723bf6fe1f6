/// `<Namespace>.<File>.Rules.swift`: what `validated()` checks, what is secret, and what is too large to remember.
struct ValidationEmitter {
  let schema: Schema

  func emit(_ file: FileDescriptor) throws(GenerationFailure) -> String? {
    let messages = file.allMessages.filter { !JSONEmitter.writtenByHand.contains($0.fullName) }
    guard !messages.isEmpty else { return nil }
    var out = CodeWriter()
    for (index, message) in messages.enumerated() {
      if index > 0 { out.line() }
      try emitRules(message, to: &out)
      if try schema.hasSecrets(message) { try emitSecrets(message, to: &out) }
      if try schema.hasBytes(message) { try emitDigests(message, to: &out) }
    }
    return out.text
  }

  private func emitRules(_ message: MessageDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    var calls: [String] = []
    // What others specified is taken as it comes: a text may have spaces around it.
    let properties = Schema.isPublicPackage(message.package) ? [] : try schema.properties(of: message)
    for property in properties {
      switch property {
      case .field(let field): if let call = try Self.check(field) { calls.append(call) }
      case .oneof(let oneof):
        guard oneof.members.allSatisfy({ $0.descriptor.kind != .message }) else {
          throw GenerationFailure("\(message.fullName).\(oneof.property): messages in a oneof have no rules yet")
        }
      }
    }
    try out.block("extension \(SwiftNames.type(message.package, message.nesting))") { out throws(GenerationFailure) in
      guard !calls.isEmpty else {
        out.line("public mutating func enforce(_ rules: inout RuleCheck) {}")
        return
      }
      try out.block("public mutating func enforce(_ rules: inout RuleCheck)") { out throws(GenerationFailure) in
        for call in calls { out.line("rules." + call) }
      }
    }
  }

  /// Nil when there is nothing to check.
  private static func check(_ field: FieldModel) throws(GenerationFailure) -> String? {
    let name = field.jsonName.literal
    let rules = field.descriptor.rules
    let required = rules.required ? ", required: true" : ""
    let maxItems = rules.maxItems > 0 ? ", maxItems: \(rules.maxItems)" : ""
    if case .map = field.shape {
      return required.isEmpty && maxItems.isEmpty
        ? nil : "count(\(name), \(field.property).count\(required)\(maxItems))"
    }
    let isList = if case .list = field.shape { true } else { false }
    switch field.descriptor.kind {
    case .string:
      let suffix = textRules(rules) + (isList ? maxItems : "")
      return "\(isList ? "texts" : "text")(\(name), &\(field.property)\(suffix))"
    case .bytes:
      let max = rules.maxLength > 0 ? ", max: \(rules.maxLength)" : ""
      return required.isEmpty && max.isEmpty ? nil : "bytes(\(name), \(field.property)\(required)\(max))"
    case .message:
      return "\(isList ? "messages" : "message")(\(name), &\(field.property)\(required)\(isList ? maxItems : ""))"
    case .enumeration:
      if isList { return "choices(\(name), \(field.property)\(required)\(maxItems))" }
      let isOptional = if case .optional = field.shape { true } else { false }
      return "choice(\(name), \(isOptional ? "&" : "")\(field.property)\(required))"
    case .int64, .uint64, .int32, .uint32, .fixed64, .fixed32, .sfixed64, .sfixed32, .sint64, .sint32:
      guard rules.min != nil || rules.max != nil else { return nil }
      guard !isList else { throw GenerationFailure("\(field.descriptor.name): list elements have no limits yet") }
      let min = rules.min.map { ", min: \($0)" } ?? ""
      let max = rules.max.map { ", max: \($0)" } ?? ""
      return "integer(\(name), \(field.property)\(min)\(max))"
    case .bool, .double, .float, .group: return nil
    }
  }

  private static func textRules(_ rules: FieldRules) -> String {
    var parts: [String] = []
    if rules.required { parts.append("required: true") }
    if rules.minLength > 0 { parts.append("min: \(rules.minLength)") }
    if rules.maxLength > 0 { parts.append("max: \(rules.maxLength)") }
    if rules.format == 1 { parts.append("format: .objectID") }
    if rules.format == 2 { parts.append("format: .requestID") }
    if rules.verbatim { parts.append("verbatim: true") }
    return parts.isEmpty ? "" : ", TextRules(\(parts.joined(separator: ", ")))"
  }

  private func emitSecrets(_ message: MessageDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    var erasures: [String] = []
    var shown: [String] = []
    for property in try schema.properties(of: message) {
      guard case .field(let field) = property else { continue }
      if field.descriptor.rules.secret {
        erasures.append("\(field.property) = \(field.defaultValue)")
        continue
      }
      let suffix = field.defaultValue == "nil" ? " as Any" : ""
      shown.append("\(field.jsonName.literal): \(field.property)\(suffix)")
      let isMap = if case .map = field.shape { true } else { false }
      guard field.descriptor.kind == .message, !isMap, try schema.hasSecrets(schema.message(field.descriptor.typeName))
      else { continue }
      if case .list = field.shape {
        erasures.append("for index in \(field.property).indices { \(field.property)[index].eraseSecrets() }")
      } else {
        erasures.append("\(field.property)?.eraseSecrets()")
      }
    }
    out.line()
    let children = shown.isEmpty ? ":" : shown.joined(separator: ", ")
    let type = SwiftNames.type(message.package, message.nesting)
    try out.block("extension \(type): CustomReflectable") { out throws(GenerationFailure) in
      try out.block("public mutating func eraseSecrets()") { out throws(GenerationFailure) in
        for erasure in erasures { out.line(erasure) }
      }
      out.line()
      out.doc(["What printing shows: everything but secrets."])
      try out.block("public var customMirror: Mirror") { out throws(GenerationFailure) in
        out.call("Mirror", ["self", "children: [\(children)]", "displayStyle: .struct"], "")
      }
    }
  }

  private func emitDigests(_ message: MessageDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    var lines: [String] = []
    for property in try schema.properties(of: message) {
      guard case .field(let field) = property else { continue }
      let name = field.property
      switch (field.descriptor.kind, field.shape) {
      case (.bytes, .plain): lines.append("\(name) = digest(\(name))")
      case (.bytes, .optional), (.bytes, .list): lines.append("\(name) = \(name).map(digest)")
      case (.message, .message) where try schema.hasBytes(schema.message(field.descriptor.typeName)):
        lines.append("\(name)?.digestBytes(digest)")
      case (.message, .list) where try schema.hasBytes(schema.message(field.descriptor.typeName)):
        lines.append("for index in \(name).indices { \(name)[index].digestBytes(digest) }")
      default: continue
      }
    }
    out.line()
    let type = SwiftNames.type(message.package, message.nesting)
    try out.block("extension \(type)") { out throws(GenerationFailure) in
      try out.block("public mutating func digestBytes(_ digest: ([UInt8]) -> [UInt8])") {
        out throws(GenerationFailure) in
        for line in lines { out.line(line) }
      }
    }
  }
}
