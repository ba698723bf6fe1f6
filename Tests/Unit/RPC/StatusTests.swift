import Kernel
import Messages
import Testing

@testable import HTTP2
@testable import RPC

@Suite("Failures and statuses")
struct StatusTests {
  private func overTheWire(_ error: RPCError) throws -> RPCError {
    try #require(StatusTrailers.status(in: StatusTrailers.fields(of: error, isWholeAnswer: true)))
  }

  @Test("every error code crosses the wire as itself", arguments: ErrorCode.allCases)
  func codes(code: ErrorCode) throws {
    let error = try overTheWire(RPCError(Failure(code, "because")))
    #expect(error.code == StatusCode(code.kind))
    #expect(error.metadata["mobo-error-code"] == code.rawValue)
    #expect(error.errorInfo?.reason == code.rawValue)
    #expect(error.errorInfo?.domain == "mobo")
    #expect(Failure(error).code == code)
  }

  @Test("violations, the pause, facts and the end of retries cross the wire")
  func richFailure() throws {
    let failure = Failure(
      .accountLocked, "locked", violations: [FieldViolation("a[0].b", "is wrong")], retryAfter: .milliseconds(1_500),
      metadata: ["seconds": "90"], retriesExhausted: true)
    #expect(Failure(try overTheWire(RPCError(failure))) == failure)
  }

  @Test("what an internal failure says stays inside")
  func masking() throws {
    let failure = Failure(
      .internalError, "secret", violations: [FieldViolation("secret", "secret")], metadata: ["secret": "secret"])
    let fields = StatusTrailers.fields(of: RPCError(failure), isWholeAnswer: true)
    #expect(!fields.map { fields.text($0.value) }.joined().contains("secret"))
    let details = try #require(Base64.decode(fields.first("grpc-status-details-bin") ?? ""))
    #expect(!String(decoding: details, as: UTF8.self).contains("secret"))
    struct Surprise: Error { let text = "secret" }
    #expect(RPCError(thrown: Surprise()).message == "internal error")
    #expect(RPCError(thrown: CancellationError()).code == .cancelled)
  }

  @Test("details that would not fit are left out, the status stays")
  func oversizedDetails() throws {
    let failure = Failure.validation((0..<200).map { FieldViolation("field\($0)", String(repeating: "x", count: 50)) })
    let fields = StatusTrailers.fields(of: RPCError(failure), isWholeAnswer: true)
    #expect(fields.listBytes < 16 << 10)
    #expect(fields.first("mobo-error-code") == "VALIDATION_FAILED")
  }

  @Test("statuses of transports become failures that callers can act on")
  func foreignStatuses() {
    #expect(Failure(RPCError(.unavailable, "gone")).code == .serviceUnavailable)
    #expect(Failure(RPCError(.resourceExhausted, "too long")).code == .serviceUnavailable)
    #expect(Failure(RPCError(.deadlineExceeded, "late")).code == .deadlineExceeded)
    #expect(Failure(RPCError(.unimplemented, "what")).code == .unimplemented)
    #expect(Failure(RPCError(.unknown, "?")).code == .internalError)
  }

  @Test("an unknown status number is UNKNOWN, and a missing one is noticed")
  func oddStatuses() throws {
    #expect(StatusTrailers.status(in: HeaderList([("grpc-status", "77")]))?.code == .unknown)
    #expect(StatusTrailers.status(in: HeaderList([("grpc-status", "x")]))?.code == .unknown)
    #expect(StatusTrailers.status(in: HeaderList([(":status", "200")])) == nil)
  }

  @Test(
    "pushback is a number of milliseconds or means never",
    arguments: [
      ("250", .after(.milliseconds(250))), ("0", .after(.zero)), ("-1", .never), ("soon", .never),
    ] as [(String, RetryPushback)])
  func pushback(text: String, expected: RetryPushback) {
    let fields = HeaderList([("grpc-status", "14"), ("grpc-retry-pushback-ms", text)])
    #expect(StatusTrailers.status(in: fields)?.pushback == expected)
  }
}
