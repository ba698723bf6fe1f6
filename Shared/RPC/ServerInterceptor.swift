/// A unary answer, encoded.
public struct RawResponse: Sendable {
  public var message: [UInt8]

  public init(message: [UInt8]) {
    self.message = message
  }
}

/// Work around every call of a server, before the message is decoded: identity, limits, logs.
///
/// The first interceptor of a server is the outermost. `next` is called at most once; throwing without calling it
/// refuses the call.
public protocol ServerInterceptor: Sendable {
  func intercept(
    _ context: CallContext, next: (CallContext) async throws -> RawResponse
  ) async throws -> RawResponse
}
