/// `Stubs/Generated/<Service>.swift`: what a service must do, how it is registered, and how it is called.
struct StubEmitter {
  let schema: Schema

  func files() throws(GenerationFailure) -> [GeneratedFile] {
    var files: [GeneratedFile] = []
    var routed: [ServiceDescriptor] = []
    var names: Set<String> = []
    for service in schema.generatedFiles.flatMap(\.services) {
      guard names.insert(service.name).inserted else {
        throw GenerationFailure("two services are called \(service.name)")
      }
      files.append(GeneratedFile(path: "Stubs/Generated/\(service.name).swift", content: try emit(service)))
      if service.isPublic { routed.append(service) }
    }
    files.append(GeneratedFile(path: "Stubs/Generated/PublicRoutes.swift", content: try emitRoutes(routed)))
    return files
  }

  private func emit(_ service: ServiceDescriptor) throws(GenerationFailure) -> String {
    var out = CodeWriter()
    out.line("public import Messages")
    out.line("public import RPC")
    out.line()
    try emitHandlers(service, to: &out)
    out.line()
    try emitMethods(service, to: &out)
    out.line()
    try emitBinding(service, to: &out)
    out.line()
    try emitClient(service, to: &out)
    return out.text
  }

  private func emitHandlers(_ service: ServiceDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    out.doc(service.doc.isEmpty ? ["The methods of `\(service.fullName)`."] : service.doc)
    try out.block("public protocol \(service.name)Handlers: Sendable") { out throws(GenerationFailure) in
      for (index, method) in service.methods.enumerated() {
        if index > 0 { out.line() }
        out.doc(method.doc)
        let name = "func \(SwiftNames.method(method.name))"
        let parameters = ["_ request: \(try schema.swiftType(method.input))", "_ context: CallContext"]
        out.call(name, parameters, " async throws -> \(try schema.swiftType(method.output))")
      }
    }
  }

  private func emitMethods(_ service: ServiceDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    out.doc(["The methods of `\(service.fullName)`, as its proto declares them."])
    try out.block("public enum \(service.name)Methods") { out throws(GenerationFailure) in
      out.line("public static let service = \(service.fullName.literal)")
      for method in service.methods {
        out.line()
        let rules = Self.rules(method.rules)
        out.line("public static let \(SwiftNames.method(method.name)) = MethodDescriptor(")
        out.line("  service: service, name: \(method.name.literal)\(rules.isEmpty ? ")" : ",")")
        guard !rules.isEmpty else { continue }
        out.line("  rules: MethodRules(\(rules.joined(separator: ", "))))")
      }
      out.line()
      let names = service.methods.map { SwiftNames.method($0.name) }
      out.list("public static let all: [MethodDescriptor] = ", names)
    }
  }

  private static func rules(_ rules: MethodRules?) -> [String] {
    guard let rules else { return [] }
    var parts: [String] = []
    if rules.isPublic { parts.append("isPublic: true") }
    if !rules.roles.isEmpty { parts.append("roles: [\(rules.roles.map(\.literal).joined(separator: ", "))]") }
    if !rules.callers.isEmpty { parts.append("callers: [\(rules.callers.map(\.literal).joined(separator: ", "))]") }
    if rules.mutating { parts.append("mutating: true") }
    if rules.bodyBytesMax > 0 { parts.append("bodyBytesMax: \(rules.bodyBytesMax)") }
    return parts
  }

  private func emitBinding(_ service: ServiceDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    out.doc(["Registers an implementation of `\(service.fullName)`: requests reach it decoded and validated."])
    try out.block("public struct \(service.name)Binding: ServiceBinding") { out throws(GenerationFailure) in
      out.line("public let methods: [BoundMethod]")
      out.line()
      out.line("public var serviceName: String { \(service.name)Methods.service }")
      out.line()
      try out.block("public init(_ handlers: some \(service.name)Handlers)") { out throws(GenerationFailure) in
        let bound = service.methods.map { method in
          let name = SwiftNames.method(method.name)
          return "BoundMethod(\(service.name)Methods.\(name)) { try await handlers.\(name)($0, $1) }"
        }
        out.line("methods = [")
        for method in bound { out.line("  \(method)\(bound.count > 1 ? "," : "")") }
        out.line("]")
      }
    }
  }

  private func emitClient(_ service: ServiceDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    out.doc(["Calls `\(service.fullName)` over a channel. Refusals of the service are thrown as `Failure`."])
    try out.block("public struct \(service.name)Client: Sendable") { out throws(GenerationFailure) in
      out.line("private let channel: RPCChannel")
      out.line()
      out.line("public init(_ channel: RPCChannel) { self.channel = channel }")
      for method in service.methods {
        out.line()
        out.doc(method.doc)
        let name = SwiftNames.method(method.name)
        let input = try schema.swiftType(method.input)
        let parameters = ["_ request: \(input)", "options: CallOptions = CallOptions()"]
        out.call("public func \(name)", parameters, " async throws -> \(try schema.swiftType(method.output)) {")
        out.line("  try await channel.call(\(service.name)Methods.\(name), request, options)")
        out.line("}")
      }
    }
  }

  private func emitRoutes(_ services: [ServiceDescriptor]) throws(GenerationFailure) -> String {
    var out = CodeWriter()
    out.line("import Messages")
    out.line()
    out.doc(["Every method that the gateway offers as JSON over HTTP, in the order of the protos."])
    try out.block("public enum PublicRoutes") { out throws(GenerationFailure) in
      out.line("public static let all: [TranscodedRoute] = [")
      for service in services {
        for method in service.methods {
          let name = "\(service.name)Methods.\(SwiftNames.method(method.name))"
          out.line("  TranscodedRoute(")
          out.line("    \(name), \(try schema.swiftType(method.input)).self,")
          out.line("    \(try schema.swiftType(method.output)).self),")
        }
      }
      out.line("]")
    }
    return out.text
  }
}
