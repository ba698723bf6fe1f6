import Access
import HTTP
import Kernel
import Logging
import RPC

/// `POST /<package>.<Service>/<Method>` with JSON in and out (PLATFORM 11.2), and the few documents beside it.
///
/// Holds no business rule: it finds the route, turns JSON into a call and the answer into JSON, and every failure
/// into a problem document. Who the caller is, the service decides that answers; what the edge itself refuses, it
/// refuses after the guards that come before (DOMAIN 0.3).
public struct JSONEdge: HTTPHandler {
  /// A JSON body unless the method's proto grants more.
  public static let bodyBytesMax = 1 << 20

  private let routes: RouteTable
  private let documents: [String: any EdgeDocument]
  private let access: any EdgeAccess
  private let admission: any ServerInterceptor
  private let messageBytesMax: Int
  private let requestTimeout: Duration
  private let log: AccessLog

  /// - Parameters:
  ///   - documents: by path.
  ///   - admission: around every call; refuses those for which there is no room.
  ///   - messageBytesMax: the largest message that the services take.
  public init(
    routes: RouteTable, documents: [String: any EdgeDocument], access: any EdgeAccess,
    admission: any ServerInterceptor, messageBytesMax: Int, requestTimeout: Duration, logger: Logger
  ) {
    self.routes = routes
    self.documents = documents
    self.access = access
    self.admission = admission
    self.messageBytesMax = messageBytesMax
    self.requestTimeout = requestTimeout
    log = AccessLog(logger)
  }

  public func bodyBytesMax(for head: HTTPRequestHead) -> Int {
    guard let target = try? target(of: head) else { return 0 }
    switch target {
    case .document: return 0
    case .route(let route):
      let own = route.method.rules.bodyBytesMax
      guard own > Self.bodyBytesMax else { return own == 0 ? Self.bodyBytesMax : own }
      // Much memory only for those who at least show a token.
      return Self.refusalOfToken(route, head) == nil ? own : Self.bodyBytesMax
    }
  }

  public func respond(to request: HTTPRequest) async -> HTTPResponse {
    let requestID = RequestIdentity.correlationID(request.head.headers)
    let started = ContinuousClock.now
    var code: ErrorCode?
    var response: HTTPResponse
    do {
      response = try await answer(request, requestID)
    } catch {
      switch EdgeFailure(error, logger: log.logger) {
      case .abandoned:
        response = HTTPResponse(status: HTTPStatusCode.clientClosedRequest)
      case .refused(let failure):
        code = failure.code
        response = Problem(failure, requestID: requestID).response
        if failure.code == .methodNotAllowed { response.headers.append("allow", allowed(request.head)) }
      }
    }
    complete(&response, requestID)
    log.write(request.head, route: nameOfTarget(request.head), response, code, requestID, since: started)
    return response
  }

  public func response(to refusal: HTTPRefusal, head: HTTPRequestHead?) -> HTTPResponse {
    let requestID = RequestIdentity.correlationID(head?.headers ?? [])
    var failure = refusal.failure
    var status: Int? = refusal.status
    if case .bodyTooLarge = refusal, let head {
      // Nobody wanted this body because nobody is there.
      do throws(Failure) {
        if case .route(let route) = try target(of: head), let first = Self.refusalOfToken(route, head) { throw first }
      } catch {
        failure = error
        status = nil
      }
    }
    var response = Problem(failure, status: status, requestID: requestID).response
    if let head, failure.code == .methodNotAllowed { response.headers.append("allow", allowed(head)) }
    complete(&response, requestID)
    log.write(head, route: head.flatMap(nameOfTarget), response, failure.code, requestID, since: nil)
    return response
  }

  // MARK: Steps

  private enum Target {
    case route(RouteTable.Route)
    case document(any EdgeDocument)
  }

  /// Fails with `ROUTE_NOT_FOUND` or `METHOD_NOT_ALLOWED`.
  private func target(of head: HTTPRequestHead) throws(Failure) -> Target {
    if let document = documents[head.path] {
      guard head.method == "GET" || head.method == "HEAD" else { throw Self.methodNotAllowed(head) }
      return .document(document)
    }
    guard let route = routes.route(head.path) else {
      throw Failure(.routeNotFound, "there is nothing at this path")
    }
    guard head.method == "POST" else { throw Self.methodNotAllowed(head) }
    return .route(route)
  }

  private func answer(_ request: HTTPRequest, _ requestID: String) async throws -> HTTPResponse {
    switch try target(of: request.head) {
    case .document(let document): return try await document.response()
    case .route(let route): return try await call(route, request, requestID)
    }
  }

  private func call(
    _ route: RouteTable.Route, _ request: HTTPRequest, _ requestID: String
  ) async throws -> HTTPResponse {
    let deadline = Deadline.after(requestTimeout)
    let context = CallContext(
      method: route.method, metadata: Self.metadata(route, request.head, requestID),
      peer: request.head.peer, deadline: deadline, requestID: requestID)
    var answer: [UInt8] = []
    try await Deadline.$current.withValue(deadline) {
      try await admission.intercept(context) { context in
        answer = try await CallScope.$current.withValue(context) { try await admitted(route, request, context) }
      }
    }
    return HTTPResponse(
      status: HTTPStatusCode.ok, headers: ["content-type": "application/json"],
      body: try route.transcoding.responseToJSON(answer))
  }

  private func admitted(
    _ route: RouteTable.Route, _ request: HTTPRequest, _ context: CallContext
  ) async throws -> [UInt8] {
    try await access.authenticate(context)
    let message: [UInt8]
    do throws(Failure) { message = try self.message(route, request) } catch {
      _ = try await access.caller(of: context)
      throw error
    }
    return try await route.backend.unary(route.method, message, hasRequestID: route.transcoding.hasRequestID)
  }

  /// The request's JSON as a message that the services take.
  private func message(_ route: RouteTable.Route, _ request: HTTPRequest) throws(Failure) -> [UInt8] {
    try JSONContentType.check(request)
    let message = try route.transcoding.requestFromJSON(
      request.body, requestID: try IdempotencyKey.given(in: request.head.headers),
      default: route.transcoding.hasRequestID ? RequestIdentity.uuid() : nil)
    guard message.count <= messageBytesMax else {
      throw Failure(.requestTooLarge, "the request may have at most \(messageBytesMax) bytes as a message")
    }
    return message
  }

  private static func metadata(_ route: RouteTable.Route, _ head: HTTPRequestHead, _ requestID: String) -> Metadata {
    ForwardedMetadata.of(head, requestID: requestID, isPublic: route.method.rules.isPublic)
  }

  /// Why the token of a request cannot be one of ours, judged by its form; nil too where none is needed.
  private static func refusalOfToken(_ route: RouteTable.Route, _ head: HTTPRequestHead) -> Failure? {
    if route.method.rules.isPublic { return nil }
    do throws(Failure) {
      try AccessInterceptor.checkPresented(in: metadata(route, head, ""))
      return nil
    } catch {
      return error
    }
  }

  private func complete(_ response: inout HTTPResponse, _ requestID: String) {
    response.headers["x-request-id"] = requestID
    SecurityHeaders.add(to: &response.headers)
  }

  private func allowed(_ head: HTTPRequestHead) -> String {
    documents[head.path] == nil ? "POST" : "GET, HEAD"
  }

  /// What the log calls the target: never the path itself, which may be anything.
  private func nameOfTarget(_ head: HTTPRequestHead) -> String? {
    documents[head.path] != nil ? head.path : routes.route(head.path)?.method.description
  }

  private static func methodNotAllowed(_ head: HTTPRequestHead) -> Failure {
    Failure(.methodNotAllowed, "this path does not take \(head.method.prefix(16))")
  }
}

/// The guards that come before the fields of a request (DOMAIN 0.3, 1 to 3).
public protocol EdgeAccess: Sendable {
  /// The token alone, without asking anybody about the person.
  func authenticate(_ context: CallContext) async throws
  /// All three guards.
  func caller(of context: CallContext) async throws -> Caller
}

extension AccessInterceptor: EdgeAccess {}

/// A document that the gateway serves at a path of its own.
public protocol EdgeDocument: Sendable {
  func response() async throws -> HTTPResponse
}

extension HTTPRefusal {
  /// The code nearest to what the server refused.
  fileprivate var failure: Failure {
    switch self {
    case .malformed(let reason): Failure(.validationFailed, "the request is malformed: \(reason)")
    case .headersTooLarge: Failure(.requestTooLarge, "the headers are too large")
    case .bodyTooLarge(let limit): Failure(.requestTooLarge, "the body may have at most \(limit) bytes")
    case .timedOut: Failure(.deadlineExceeded, "the request did not arrive in time")
    case .expectationFailed: Failure(.validationFailed, "the expectation cannot be met")
    case .busy: Failure(.serviceUnavailable, "too much is sent at once: try again", retryAfter: .seconds(1))
    case .draining: Failure(.serviceUnavailable, "the gateway is stopping: try again", retryAfter: .seconds(1))
    }
  }
}
