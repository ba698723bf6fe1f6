/// A call about to be made, as its interceptors see it.
public struct ClientCallHead: Sendable {
  public let method: MethodDescriptor
  /// What is sent before the first message.
  public var metadata: Metadata

  public init(method: MethodDescriptor, metadata: Metadata = [:]) {
    self.method = method
    self.metadata = metadata
  }
}

/// The whole answer to a call with one answer.
public struct ClientResponse: Sendable {
  /// The metadata in front of the message; empty if the server sent it all in one block.
  public var headers: Metadata
  public var message: [UInt8]
  /// The metadata that followed the message.
  public var trailers: Metadata

  public init(headers: Metadata = [:], message: [UInt8], trailers: Metadata = [:]) {
    self.headers = headers
    self.message = message
    self.trailers = trailers
  }
}

/// Work around every call of a channel, whatever its kind; runs once per call, however many attempts it takes.
public protocol ClientInterceptor: Sendable {
  /// `next` makes the call with the head it is given, and returns what the call's code returned. Throws what that
  /// throws; an `RPCError` if the call itself failed.
  func intercept<R: Sendable>(
    _ call: ClientCallHead, next: @concurrent (ClientCallHead) async throws -> R
  ) async throws -> R
}
