import Kernel
import Messages
import Testing

@Suite("rules of the protos")
struct RuleTests {
  private let id = "65f0c0ffee65f0c0ffee65f0"

  private func violations(_ message: some Message) -> [FieldViolation] {
    do throws(Failure) {
      _ = try message.validated()
      return []
    } catch {
      return error.violations
    }
  }

  private func order(_ change: (inout OrderV1.CreateOrderRequest) -> Void) -> OrderV1.CreateOrderRequest {
    var request = OrderV1.CreateOrderRequest(dealId: id, externalOrderId: "X-1", quantity: 1)
    change(&request)
    return request
  }

  @Test("a valid request passes, trimmed, with blank optional texts absent")
  func valid() throws {
    let request = order {
      $0.requestId = " abc-1 "
      $0.externalOrderId = "\u{2003}X 1\n"
      $0.soldBy = " \t"
      $0.reviewerName = " Åsa "
      $0.preOrderId = ""
    }
    let valid = try request.validated()
    #expect(valid.requestId == "abc-1")
    #expect(valid.externalOrderId == "X 1")
    #expect(valid.soldBy == nil && valid.preOrderId == nil)
    #expect(valid.reviewerName == "Åsa")
  }

  @Test("every violation is reported, in the order of the fields")
  func all() {
    let request = OrderV1.CreateOrderRequest(
      requestId: "a b", dealId: "", externalOrderId: String(repeating: "x", count: 201), quantity: 11,
      purchaseProof: .init(contentType: String(repeating: "y", count: 101)), soldBy: "a../../b")
    #expect(
      violations(request) == [
        FieldViolation("requestId", "must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -"),
        FieldViolation("dealId", "must not be blank"),
        FieldViolation("externalOrderId", "must be at most 200 characters"),
        FieldViolation("quantity", "must be between 1 and 10"),
        FieldViolation("purchaseProof.contentType", "must be at most 100 characters"),
        FieldViolation("soldBy", "must not contain control characters or repeated ../"),
      ])
    #expect(throws: Failure.validation(violations(request))) { try request.validated() }
  }

  @Test(
    "integers are bounded on both sides",
    arguments: [(0, false), (1, true), (10, true), (11, false)] as [(Int32, Bool)])
  func integers(quantity: Int32, isAllowed: Bool) {
    #expect(violations(order { $0.quantity = quantity }).isEmpty == isAllowed)
  }

  @Test(
    "lengths count Unicode scalars after trimming",
    arguments: [("é", 200, true), ("é", 201, false), ("👍🏽", 100, true), ("👍🏽", 101, false)])
  func lengths(piece: String, count: Int, isAllowed: Bool) {
    let text = "  " + String(repeating: piece, count: count) + "  "
    #expect(violations(order { $0.soldBy = text }).isEmpty == isAllowed)
  }

  @Test(
    "a reference has a least and a greatest length",
    arguments: [(0, true), (1, false), (2, true), (128, true), (129, false)])
  func leastLength(count: Int, isAllowed: Bool) {
    let request = OrderV1.SettleOrderRequest(orderId: id, settlementRef: String(repeating: "r", count: count))
    #expect(violations(request).isEmpty == isAllowed)
  }

  @Test(
    "ids are 24 lower-case hex characters",
    arguments: [
      "65f0c0ffee65f0c0ffee65f", "65f0c0ffee65f0c0ffee65f00", "65F0c0ffee65f0c0ffee65f0", "65g0c0ffee65f0c0ffee65f0",
    ])
  func ids(text: String) {
    #expect(violations(OrderV1.GetOrderRequest(orderId: text)).map(\.path) == ["orderId"])
    #expect(violations(OrderV1.GetOrderRequest(orderId: " \(id) ")).isEmpty)
  }

  @Test("request ids have 1 to 64 permitted characters", arguments: [(64, true), (65, false)])
  func requestIDs(count: Int, isAllowed: Bool) {
    #expect(violations(order { $0.requestId = String(repeating: "_", count: count) }).isEmpty == isAllowed)
  }

  @Test(
    "forbidden input is refused in any text",
    arguments: [
      ("a\u{1A}b", false), ("a\u{7F}", false), ("\u{0}", false), ("../../etc", false), (".../../", false),
      ("../..../", true), ("../", true), (".. ./../", true), ("..//../", true), ("....//", true), ("../.../../", false),
      ("a\u{1}b", true),
    ])
  func forbidden(text: String, isAllowed: Bool) {
    #expect(violations(order { $0.externalOrderId = text }).isEmpty == isAllowed)
  }

  @Test("a secret is neither trimmed nor searched")
  func verbatim() throws {
    let request = IdentityV1.LoginRequest(mobile: "9", password: " ../../ ")
    #expect(try request.validated().password == " ../../ ")
    #expect(violations(IdentityV1.LoginRequest()).map(\.path) == ["password"])
  }

  @Test("enums must be known, and given where they are required")
  func enums() throws {
    var request = WalletV1.EnsureWalletRequest(ownerUserId: id)
    #expect(violations(request) == [FieldViolation("ownerKind", "must be given")])
    request.ownerKind = .init(rawValue: 99)
    #expect(violations(request).map(\.path) == ["ownerKind"])
    request.ownerKind = .brand
    #expect(violations(request).isEmpty)
    let settle = OrderV1.SettleOrderRequest(orderId: id, mode: .unspecified)
    #expect(try settle.validated().mode == nil)
    #expect(violations(OrderV1.SettleOrderRequest(orderId: id, mode: .init(rawValue: 3))).map(\.path) == ["mode"])
  }

  @Test("lists and what is in them are checked")
  func lists() {
    #expect(violations(AuditV1.AppendAuditRequest()) == [FieldViolation("entries", "must not be empty")])
    let entry = AuditV1.AuditEntry(
      eventId: "e", occurredAt: Sample.time, actorRoles: ["ok", String(repeating: "r", count: 21)], action: "A",
      entityType: "T")
    #expect(
      violations(AuditV1.AppendAuditRequest(entries: [entry, AuditV1.AuditEntry()])).map(\.path) == [
        "entries[0].actorRoles[1]", "entries[1].eventId", "entries[1].occurredAt", "entries[1].action",
        "entries[1].entityType",
      ])
    let tooMany = AuditV1.AppendAuditRequest(entries: Array(repeating: entry, count: 501))
    #expect(violations(tooMany).first == FieldViolation("entries", "must have at most 500 items"))
  }

  @Test("an instant outside the calendar is refused")
  func instants() {
    let request = WalletV1.ListTransactionsRequest(from: .init(seconds: .max), to: .init(nanos: -1))
    #expect(violations(request).map(\.path) == ["from.seconds", "to.nanos"])
  }

  @Test("the fingerprint leaves out the request id and secrets, and nothing else")
  func fingerprints() {
    let first = WalletV1.DepositRequest(requestId: "a", ownerUserId: id, amountPaise: 1, ref: "r")
    var second = first
    second.requestId = "b"
    #expect(first.fingerprintBytes { $0 } == second.fingerprintBytes { $0 })
    second.amountPaise = 2
    #expect(first.fingerprintBytes { $0 } != second.fingerprintBytes { $0 })
    let login = IdentityV1.LoginRequest(mobile: "9", password: "secret")
    #expect(
      login.fingerprintBytes { $0 } == IdentityV1.LoginRequest(mobile: "9", password: "other").fingerprintBytes { $0 })
    #expect(
      login.fingerprintBytes { $0 } != IdentityV1.LoginRequest(mobile: "8", password: "secret").fingerprintBytes { $0 })
  }

  @Test("a secret is never printed")
  func printing() {
    let login = IdentityV1.LoginRequest(mobile: "9999999999", password: "hunter2")
    #expect("\(login)".contains("9999999999"))
    #expect(!"\(login) \(String(reflecting: login))".contains("hunter2"))
  }
}
