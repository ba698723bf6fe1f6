/// A unary call about to be sent.
public struct ClientRequest: Sendable {
  public let method: MethodDescriptor
  public var metadata: Metadata
  public var message: [UInt8]

  public init(method: MethodDescriptor, metadata: Metadata = [:], message: [UInt8] = []) {
    self.method = method
    self.metadata = metadata
    self.message = message
  }
}

/// The answer to a unary call.
public struct ClientResponse: Sendable {
  public var message: [UInt8]
  /// The metadata that followed the message.
  public var trailers: Metadata

  public init(message: [UInt8], trailers: Metadata = [:]) {
    self.message = message
    self.trailers = trailers
  }
}

/// Work around every call of a channel; runs once per call, however many attempts it takes.
public protocol ClientInterceptor: Sendable {
  func intercept(
    _ request: ClientRequest, next: (ClientRequest) async throws -> ClientResponse
  ) async throws -> ClientResponse
}
