import Kernel
import Messages
import RPC
import Stubs
import Testing

@Suite("public routes")
struct TranscodedRouteTests {
  private func route(_ path: String) throws -> TranscodedRoute {
    try #require(PublicRoutes.all.first { $0.descriptor.path == path })
  }

  private func deposit(
    _ body: String, key: String? = nil, fallback: String? = "made-here"
  ) throws -> WalletV1.DepositRequest {
    let route = try route("/mobo.wallet.v1.WalletService/Deposit")
    let bytes = try route.requestFromJSON(Array(body.utf8), requestID: key, default: fallback)
    return try WalletV1.DepositRequest(serialized: bytes)
  }

  @Test("no internal method and no foreign service has a route")
  func onlyPublic() {
    #expect(PublicRoutes.all.allSatisfy { !$0.descriptor.isInternal && $0.package.hasPrefix("mobo.") })
    #expect(Set(PublicRoutes.all.map(\.descriptor.path)).count == PublicRoutes.all.count)
  }

  @Test("routes know their package and whether they take a request id")
  func facts() throws {
    #expect(try route("/mobo.wallet.v1.WalletService/Deposit").hasRequestID)
    #expect(try !route("/mobo.wallet.v1.WalletService/GetWallet").hasRequestID)
    #expect(try route("/mobo.gateway.v1.GatewayService/GetMe").package == "mobo.gateway.v1")
    #expect(WalletServiceMethods.deposit.rules.roles == ["admin", "ops"])
    #expect(WalletInternalServiceMethods.settleOrderFunds.isInternal)
    #expect(OrderServiceMethods.createOrder.rules.bodyBytesMax == 17 << 20)
  }

  @Test("the key becomes the request id, and a body without one gets the default")
  func requestIDs() throws {
    #expect(try deposit("{}", key: "k-1").requestId == "k-1")
    #expect(try deposit("{}").requestId == "made-here")
    #expect(try deposit(#"{"requestId":" "}"#).requestId == "made-here")
    #expect(try deposit(#"{"requestId":"own"}"#).requestId == "own")
    #expect(try deposit(#"{"requestId":"own"}"#, key: "own").requestId == "own")
    #expect(try deposit("", fallback: nil).requestId == "")
  }

  @Test("two different ids are refused, and so is a malformed key")
  func conflictingIDs() throws {
    #expect(throws: Failure.validation("requestId", "must be the same as the Idempotency-Key header")) {
      try deposit(#"{"requestId":"own"}"#, key: "other")
    }
    for key in ["", "a b", String(repeating: "k", count: 65)] {
      #expect(throws: Failure.self) { try deposit("{}", key: key) }
    }
  }

  @Test("answers become JSON")
  func answers() throws {
    let route = try route("/mobo.wallet.v1.WalletService/Deposit")
    let answer = try WalletV1.DepositResponse(replayed: true).serialized()
    #expect(String(decoding: try route.responseToJSON(answer), as: UTF8.self) == #"{"replayed":true}"#)
    #expect(throws: Failure.self) { try route.responseToJSON([0xFF]) }
  }
}
