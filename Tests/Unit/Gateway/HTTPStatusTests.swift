import Kernel
import Testing

@testable import GatewayAPI

@Suite("HTTP statuses of error codes")
struct HTTPStatusTests {
  /// DOMAIN 0.2 and 14: codes whose status is not that of their kind.
  private static let exceptions: [ErrorCode: Int] = [
    .invalidOrderProof: 422, .ratingVerificationFailed: 422, .methodNotAllowed: 405, .requestTooLarge: 413,
    .unsupportedMediaType: 415,
  ]

  private static let kinds: [FailureKind: Int] = [
    .invalidArgument: 400, .unauthenticated: 401, .permissionDenied: 403, .notFound: 404, .alreadyExists: 409,
    .failedPrecondition: 409, .aborted: 409, .resourceExhausted: 429, .unimplemented: 404, .unavailable: 503,
    .deadlineExceeded: 504, .internal: 500,
  ]

  @Test("every code has the status of the specification", arguments: ErrorCode.allCases)
  func statuses(code: ErrorCode) {
    #expect(code.httpStatus == Self.exceptions[code] ?? Self.kinds[code.kind])
  }

  @Test("no kind is forgotten")
  func kinds() {
    #expect(Set(Self.kinds.keys) == Set(FailureKind.allCases))
  }

  @Test(
    "statuses that portals rely on",
    arguments: [
      (ErrorCode.validationFailed, 400), (.invalidCredentials, 401), (.tokenExpired, 401), (.forbidden, 403),
      (.upstreamSuspended, 403), (.userNotFound, 404), (.routeNotFound, 404), (.mobileAlreadyExists, 409),
      (.insufficientFunds, 409), (.idempotencyMismatch, 409), (.walletConflict, 409), (.accountLocked, 429),
      (.databaseUnavailable, 503), (.serviceUnavailable, 503), (.gatewayTimeout, 504), (.internalError, 500),
      (.unimplemented, 404),
    ])
  func examples(code: ErrorCode, status: Int) {
    #expect(code.httpStatus == status)
  }

  @Test(
    "titles are the code as people read it",
    arguments: [(ErrorCode.validationFailed, "Validation failed"), (.orderIdRequired, "Order id required")])
  func titles(code: ErrorCode, title: String) {
    #expect(code.title == title)
  }
}
