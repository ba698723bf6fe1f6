/// The Swift types of a method's messages.
private struct MethodTypes {
  let input: String
  let output: String

  init(_ method: MethodDescriptor, _ schema: Schema) throws(GenerationFailure) {
    input = try schema.swiftType(method.input)
    output = try schema.swiftType(method.output)
  }
}

extension MethodDescriptor.Kind {
  fileprivate var streamsRequests: Bool { self == .clientStreaming || self == .bidirectional }
  fileprivate var streamsResponses: Bool { self == .serverStreaming || self == .bidirectional }

  /// The typed call of the runtime's channel (Shared/Stubs/ClientCall.swift).
  fileprivate var clientCall: String { self == .unary ? "call" : rawValue }
}

/// `Stubs/Generated/<Service>.swift`: what a service must do, how it is registered, and how it is called.
struct StubEmitter {
  let schema: Schema

  func files() throws(GenerationFailure) -> [GeneratedFile] {
    var files: [GeneratedFile] = []
    var routed: [ServiceDescriptor] = []
    var names: Set<String> = []
    for service in schema.generatedFiles.flatMap(\.services) {
      guard names.insert(service.swiftName).inserted else {
        throw GenerationFailure("two services are called \(service.swiftName)")
      }
      files.append(GeneratedFile(path: "Stubs/Generated/\(service.swiftName).swift", content: try emit(service)))
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
    try out.block("public protocol \(service.swiftName)Handlers: Sendable") { out throws(GenerationFailure) in
      for (index, method) in service.methods.enumerated() {
        if index > 0 { out.line() }
        out.doc(method.doc)
        let types = try MethodTypes(method, schema)
        let parameters =
          switch method.kind {
          case .unary: ["_ request: \(types.input)", "_ context: CallContext"]
          case .clientStreaming: ["_ requests: MessageStream<\(types.input)>", "_ context: CallContext"]
          case .serverStreaming:
            ["_ request: \(types.input)", "_ context: CallContext", "_ responses: ResponseWriter<\(types.output)>"]
          case .bidirectional:
            [
              "_ requests: MessageStream<\(types.input)>", "_ context: CallContext",
              "_ responses: ResponseWriter<\(types.output)>",
            ]
          }
        let returns = method.kind.streamsResponses ? "" : " -> \(types.output)"
        out.call("func \(SwiftNames.method(method.name))", parameters, " async throws\(returns)")
      }
    }
  }

  private func emitMethods(_ service: ServiceDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    out.doc(["The methods of `\(service.fullName)`, as its proto declares them."])
    try out.block("public enum \(service.swiftName)Methods") { out throws(GenerationFailure) in
      out.line("public static let service = \(service.fullName.literal)")
      for method in service.methods {
        out.line()
        let rules = Self.rules(method.rules)
        let kind = method.kind == .unary ? "" : ", kind: .\(method.kind)"
        out.line("public static let \(SwiftNames.method(method.name)) = MethodDescriptor(")
        out.line("  service: service, name: \(method.name.literal)\(kind)\(rules.isEmpty ? ")" : ",")")
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
    try out.block("public struct \(service.swiftName)Binding: ServiceBinding") { out throws(GenerationFailure) in
      out.line("public let methods: [BoundMethod]")
      out.line()
      out.line("public var serviceName: String { \(service.swiftName)Methods.service }")
      out.line()
      try out.block("public init(_ handlers: some \(service.swiftName)Handlers)") { out throws(GenerationFailure) in
        out.line("methods = [")
        for method in service.methods {
          let name = SwiftNames.method(method.name)
          let shape = method.kind == .unary ? "BoundMethod" : "BoundMethod.\(method.kind)"
          let head = "\(shape)(\(service.swiftName)Methods.\(name)) {"
          let body =
            switch method.kind {
            case .unary: "try await $0.answer(handlers.\(name)($0.request(), $1))"
            case .clientStreaming: "try await handlers.\(name)($0, $1)"
            case .serverStreaming, .bidirectional: "try await handlers.\(name)($0, $1, $2)"
            }
          let comma = service.methods.count > 1 ? "," : ""
          out.closure("  ", head, body, comma)
        }
        out.line("]")
      }
    }
  }

  private func emitClient(_ service: ServiceDescriptor, to out: inout CodeWriter) throws(GenerationFailure) {
    out.doc(["Calls `\(service.fullName)` over a channel. Refusals of the service are thrown as `Failure`."])
    try out.block("public struct \(service.swiftName)Client: Sendable") { out throws(GenerationFailure) in
      out.line("private let channel: RPCChannel")
      out.line()
      out.line("public init(_ channel: RPCChannel) { self.channel = channel }")
      for method in service.methods {
        out.line()
        out.doc(method.doc)
        try emitClientMethod(method, of: service, to: &out)
      }
    }
  }

  /// A streaming method takes a body, which the call lives as long as; what it returns is what the call returns.
  private func emitClientMethod(
    _ method: MethodDescriptor, of service: ServiceDescriptor, to out: inout CodeWriter
  ) throws(GenerationFailure) {
    let types = try MethodTypes(method, schema)
    let name = SwiftNames.method(method.name)
    let writer = "RequestWriter<\(types.input)>"
    let reader = "ResponseStream<\(types.output)>"
    let request = method.kind.streamsRequests ? [] : ["_ request: \(types.input)"]
    let options = ["options: CallOptions = CallOptions()"]
    let body =
      switch method.kind {
      case .unary: [String]()
      case .clientStreaming: ["_ body: (\(writer)) async throws -> Void"]
      case .serverStreaming: ["_ body: (\(reader)) async throws -> R"]
      case .bidirectional: ["_ body: (\(writer), \(reader)) async throws -> R"]
      }
    let generic = method.kind.streamsResponses ? "<R: Sendable>" : ""
    let returns = method.kind.streamsResponses ? "R" : types.output
    out.call("public func \(name)\(generic)", request + options + body, " async throws -> \(returns) {")
    let arguments = ["\(service.swiftName)Methods.\(name)"] + (request.isEmpty ? [] : ["request"]) + ["options"]
    let call = (arguments + (body.isEmpty ? [] : ["body"])).joined(separator: ", ")
    out.line("  try await channel.\(method.kind.clientCall)(\(call))")
    out.line("}")
  }

  private func emitRoutes(_ services: [ServiceDescriptor]) throws(GenerationFailure) -> String {
    var out = CodeWriter()
    out.line("import Messages")
    out.line()
    out.doc(["Every method that the gateway offers as JSON over HTTP, in the order of the protos."])
    try out.block("public enum PublicRoutes") { out throws(GenerationFailure) in
      out.line("public static let all: [TranscodedRoute] = [")
      for service in services {
        for method in service.methods where method.kind == .unary {
          let name = "\(service.swiftName)Methods.\(SwiftNames.method(method.name))"
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
