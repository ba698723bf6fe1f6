import Access
import HTTP
import Kernel
import Logging
import Messages
import RPC
import Synchronization

@testable import GatewayAPI

/// The edge over a back end inside the test.
struct EdgeHarness {
  let backend: ScriptedBackend
  let admission: AdmissionControl
  let edge: JSONEdge

  init(
    documents: [String: any EdgeDocument] = [:], access: any EdgeAccess = OpenAccess(), callsMax: Int = 4_000,
    messageBytesMax: Int = 12 << 20, _ answer: @escaping ScriptedBackend.Answer = { _, _ in [] }
  ) {
    let backend = ScriptedBackend(answer)
    self.backend = backend
    let packages = ["identity", "campaign", "order", "wallet", "audit"].map { "mobo.\($0).v1" }
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let routes = RouteTable(
      backends: Dictionary(uniqueKeysWithValues: packages.map { ($0, backend as any Backend) }))
    admission = AdmissionControl(
      methods: routes.methods, configuration: AdmissionConfiguration(limitMin: 1, limitMax: callsMax), logger: logger)
    edge = JSONEdge(
      routes: routes, documents: documents, access: access, admission: admission, messageBytesMax: messageBytesMax,
      requestTimeout: .seconds(30), logger: logger)
  }

  func post(
    _ path: String, _ json: String = "", headers: HTTPFields = ["content-type": "application/json"]
  ) async -> HTTPResponse {
    await send("POST", path, json, headers: headers)
  }

  func send(_ method: String, _ path: String, _ body: String = "", headers: HTTPFields = []) async -> HTTPResponse {
    await edge.respond(
      to: HTTPRequest(
        head: HTTPRequestHead(method: method, path: path, headers: headers, peer: "192.0.2.7:4711"),
        body: Array(body.utf8)))
  }
}

/// Lets everybody pass, for tests of what comes after the guards.
struct OpenAccess: EdgeAccess {
  func authenticate(_ context: CallContext) async throws {}
  func caller(of context: CallContext) async throws -> Caller { .anonymous }
}

/// Answers with what the test says and remembers what it was asked.
final class ScriptedBackend: Backend {
  typealias Answer = @Sendable (MethodDescriptor, [UInt8]) async throws -> [UInt8]

  struct Call: Sendable {
    let method: MethodDescriptor
    let message: [UInt8]
    let metadata: Metadata
    let hasDeadline: Bool
  }

  private let answer: Answer
  private let made = Mutex<[Call]>([])

  init(_ answer: @escaping Answer) {
    self.answer = answer
  }

  var calls: [Call] { made.withLock { $0 } }

  func unary(_ method: MethodDescriptor, _ message: [UInt8], hasRequestID: Bool) async throws -> [UInt8] {
    let call = Call(
      method: method, message: message, metadata: CallScope.current?.metadata ?? [:],
      hasDeadline: Deadline.current != nil)
    made.withLock { $0.append(call) }
    return try await answer(method, message)
  }
}

extension HTTPResponse {
  var json: JSONValue? { try? JSONValue(parsing: body) }

  var code: String? {
    guard case .string(let code) = json?["code"] else { return nil }
    return code
  }
}
