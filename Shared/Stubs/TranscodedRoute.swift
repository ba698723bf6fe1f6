public import Kernel
import Messages
public import RPC

/// One method as JSON over HTTP: how its request is read, and how its answer is written.
public struct TranscodedRoute: Sendable {
  public let descriptor: MethodDescriptor
  /// True when the request has the field `request_id`, so that an Idempotency-Key means something.
  public let hasRequestID: Bool

  /// The proto package, `mobo.wallet.v1`, which tells who answers; the gateway answers those of its own package itself.
  public let package: String

  private let readRequest: @Sendable (_ body: [UInt8], _ key: String?, _ fallback: String?) throws(Failure) -> [UInt8]
  private let writeResponse: @Sendable (_ message: [UInt8]) throws(Failure) -> [UInt8]

  init<Request: Message, Response: Message>(
    _ descriptor: MethodDescriptor, _ request: Request.Type, _ response: Response.Type
  ) {
    self.descriptor = descriptor
    package = descriptor.service.split(separator: ".").dropLast().joined(separator: ".")
    hasRequestID = request is any RequestIdentified.Type
    readRequest = { (body, key, fallback) throws(Failure) in
      var message = try Request(jsonBytes: body)
      try Self.identify(&message, key, fallback)
      return try Self.serialized(message)
    }
    writeResponse = { (bytes) throws(Failure) in
      do throws(MessageFailure) {
        return try Response(serialized: bytes).jsonBytes()
      } catch {
        throw Failure(.internalError, "the answer is not a well-formed \(Response.fullName)")
      }
    }
  }

  /// The request message of a JSON body; an empty body counts as `{}`.
  ///
  /// - Parameters:
  ///   - key: the Idempotency-Key header. It becomes the request id; a body that says another id is refused.
  ///   - fallback: the request id when neither the header nor the body gives one.
  ///
  /// Fails with `VALIDATION_FAILED` and the JSON path. Rules of the proto are left to the service that answers.
  public func requestFromJSON(
    _ body: [UInt8], requestID key: String? = nil, default fallback: String? = nil
  ) throws(Failure) -> [UInt8] {
    try readRequest(body, key, fallback)
  }

  /// The JSON of an answer. Fails with `INTERNAL_ERROR` when the bytes are no such message.
  public func responseToJSON(_ message: [UInt8]) throws(Failure) -> [UInt8] {
    try writeResponse(message)
  }

  /// Gives the request its id. A request without the field has no use for a key, but a malformed one is refused still.
  private static func identify<Request: Message>(
    _ message: inout Request, _ key: String?, _ fallback: String?
  ) throws(Failure) {
    if let key, let violation = TextFormat.requestID.violation(of: key) {
      throw .validation("Idempotency-Key", violation)
    }
    guard var identified = message as? any RequestIdentified else { return }
    let own = identified.requestId.trimmed
    if let key, !own.isEmpty, own != key {
      throw .validation("requestId", "must be the same as the Idempotency-Key header")
    }
    guard own.isEmpty, let id = key ?? fallback else { return }
    identified.requestId = id
    if let changed = identified as? Request { message = changed }
  }

  private static func serialized<Request: Message>(_ message: Request) throws(Failure) -> [UInt8] {
    do throws(MessageFailure) {
      return try message.serialized()
    } catch {
      throw Failure(error)
    }
  }
}
