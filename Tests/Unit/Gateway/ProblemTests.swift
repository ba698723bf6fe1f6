import HTTP
import Kernel
import Messages
import Testing

@testable import GatewayAPI

@Suite("Problem documents")
struct ProblemTests {
  private func text(_ response: HTTPResponse) -> String { String(decoding: response.body, as: UTF8.self) }

  @Test("a validation failure lists its fields")
  func validation() {
    let failure = Failure.validation([FieldViolation("quantity", "must be between 1 and 10")])
    let response = Problem(failure, requestID: "6f0c").response
    #expect(response.status == 400)
    #expect(response.headers["content-type"] == "application/problem+json")
    #expect(
      text(response)
        == #"{"type":"/problems/VALIDATION_FAILED","title":"Validation failed","status":400,"#
        + #""detail":"quantity must be between 1 and 10","code":"VALIDATION_FAILED","requestId":"6f0c","#
        + #""errors":[{"path":"quantity","message":"must be between 1 and 10"}]}"#)
  }

  @Test("without refused fields there is no list of them")
  func plain() {
    let response = Problem(Failure(.userNotFound, "there is no \"such\" user"), requestID: "r").response
    #expect(response.status == 404)
    #expect(!text(response).contains("errors"))
    #expect(text(response).contains(#""detail":"there is no \"such\" user""#))
  }

  @Test(
    "a known wait is told in whole seconds, rounded up",
    arguments: [(Duration.seconds(900), "900"), (.milliseconds(1), "1"), (.milliseconds(1_001), "2"), (.zero, "0")])
  func retryAfter(wait: Duration, seconds: String) {
    let response = Problem(Failure(.accountLocked, "locked", retryAfter: wait), requestID: "r").response
    #expect(response.headers["retry-after"] == seconds)
  }

  @Test("an unknown wait is not told")
  func noRetryAfter() {
    #expect(Problem(Failure(.internalError, "x"), requestID: "r").response.headers["retry-after"] == nil)
  }

  @Test("who is not signed in is told how to")
  func challenge() {
    #expect(Problem(Failure(.tokenExpired, "x"), requestID: "r").response.headers["www-authenticate"] == "Bearer")
    #expect(Problem(Failure(.forbidden, "x"), requestID: "r").response.headers["www-authenticate"] == nil)
  }
}
