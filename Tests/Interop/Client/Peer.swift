import Logging
import Messages
import RPC
import Stubs

/// What a case found instead of what the test's description demands.
struct Unexpected: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) { self.description = description }
}

func expect(_ isTrue: Bool, _ otherwise: @autoclosure () -> String) throws {
  guard isTrue else { throw Unexpected(otherwise()) }
}

/// The server under test. Calls go by the channel and not by the typed client, because the cases look at statuses and
/// metadata.
struct Peer: Sendable {
  let channel: RPCChannel
  let soakIterations: Int
  private let target: String
  private let configuration: RPCChannelConfiguration
  private let logger: Logger

  init(target: String, configuration: RPCChannelConfiguration, soakIterations: Int, logger: Logger) {
    self.target = target
    self.configuration = configuration
    self.soakIterations = soakIterations
    self.logger = logger
    channel = RPCChannel(target: target, configuration: configuration, logger: logger)
  }

  /// The same server by a channel of its own.
  func another() -> Peer {
    Peer(target: target, configuration: configuration, soakIterations: soakIterations, logger: logger)
  }

  /// A unary answer with its metadata.
  struct Answer<Response: Message> {
    let message: Response
    let headers: Metadata
    let trailers: Metadata
  }

  func unary<Request: Message, Response: Message>(
    _ method: MethodDescriptor, _ request: Request, _ options: CallOptions = CallOptions(),
    as type: Response.Type = Response.self
  ) async throws -> Answer<Response> {
    let response = try await channel.unaryResponse(method, try request.serialized(), options: options)
    return Answer(
      message: try Response(serialized: response.message), headers: response.headers, trailers: response.trailers)
  }

  /// `UnaryCall` of a request.
  func call(
    _ request: GrpcTesting.SimpleRequest, _ options: CallOptions = CallOptions()
  ) async throws -> Answer<GrpcTesting.SimpleResponse> {
    try await unary(TestServiceMethods.unaryCall, request, options)
  }

  /// The call of `large_unary`: 271 828 bytes there, 314 159 back.
  func largeUnary(_ options: CallOptions = CallOptions()) async throws {
    let answer = try await call(Peer.largeRequest, options)
    try expect(
      answer.message.payload?.body == zeros(Peer.largeResponseBytes),
      "\(answer.message.payload?.body.count ?? 0) bytes came back, or not all of them zero")
  }

  static let largeResponseBytes = 314_159
  static let largeRequest = GrpcTesting.SimpleRequest(
    responseSize: Int32(largeResponseBytes), payload: GrpcTesting.Payload(body: zeros(271_828)))

  /// Fails unless the call ends with the code (and with the message, if one is given).
  func expectStatus(
    _ code: StatusCode, _ message: String? = nil, _ body: () async throws -> Void
  ) async throws {
    do {
      try await body()
    } catch let error as RPCError {
      try expect(error.code == code, "the status is \(error)")
      if let message { try expect(error.message == message, "the status says '\(error.message)'") }
      return
    }
    throw Unexpected("the call succeeded")
  }
}

func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
