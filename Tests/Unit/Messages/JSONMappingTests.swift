import Kernel
import Messages
import Testing

@Suite("messages as JSON")
struct JSONMappingTests {
  private func text(_ message: some Message) -> String { String(decoding: message.jsonBytes(), as: UTF8.self) }

  private func read<M: Message>(_ type: M.Type, _ text: String) throws(Failure) -> M {
    try M(jsonBytes: Array(text.utf8))
  }

  @Test("zero values are written, absent fields are not")
  func zeroValues() {
    #expect(
      text(WalletV1.ListTransactionsResponse()) == #"{"items":[],"nextCursor":""}"#)
    #expect(
      text(WalletV1.Wallet())
        == #"{"id":"","ownerUserId":"","ownerKind":"OWNER_KIND_UNSPECIFIED","currency":"","availablePaise":"0","#
        + #""pendingPaise":"0","lockedPaise":"0","version":"0"}"#)
    #expect(text(WalletV1.ListTransactionsResponse(total: 0)) == #"{"items":[],"nextCursor":"","total":"0"}"#)
  }

  @Test("the sample is written as documented and read back")
  func sample() throws {
    let written = text(Sample.transaction)
    #expect(
      written
        == #"{"id":"65f0c0ffee65f0c0ffee65f0","postingId":"65f0c0ffee65f0c0ffee65f1","#
        + #""type":"TRANSACTION_TYPE_CASHBACK_SETTLE","status":"TRANSACTION_STATUS_COMPLETED","#
        + #""account":"ACCOUNT_WALLET","walletId":"65f0c0ffee65f0c0ffee65f2","bucket":"BUCKET_AVAILABLE","#
        + #""direction":"DIRECTION_CREDIT","amountPaise":"12345","balanceAfterPaise":"0","memo":false,"#
        + #""metadata":{"count":"3","note":"für Ärmel 👍"},"createdAt":"2023-11-14T22:13:20.123Z"}"#)
    #expect(try read(WalletV1.Transaction.self, written) == Sample.transaction)
  }

  @Test("an empty body is an empty object")
  func emptyBody() throws {
    #expect(try WalletV1.GetWalletRequest(jsonBytes: []) == WalletV1.GetWalletRequest())
    #expect(throws: Failure.self) { try WalletV1.GetWalletRequest(jsonBytes: Array(" ".utf8)) }
    #expect(throws: Failure.validation("body", "must be an object")) { try read(WalletV1.GetWalletRequest.self, "[]") }
  }

  @Test("both spellings of a name are read, together they are a duplicate")
  func names() throws {
    #expect(try read(WalletV1.GetWalletRequest.self, #"{"owner_user_id":"x"}"#).ownerUserId == "x")
    #expect(try read(WalletV1.GetWalletRequest.self, #"{"ownerUserId":null}"#).ownerUserId == nil)
    #expect(throws: Failure.validation("ownerUserId", "is given more than once")) {
      try read(WalletV1.GetWalletRequest.self, #"{"owner_user_id":"x","ownerUserId":"x"}"#)
    }
    #expect(throws: Failure.validation("owneruserid", "is not known")) {
      try read(WalletV1.GetWalletRequest.self, #"{"owneruserid":"x"}"#)
    }
  }

  @Test("paths lead into lists and nested messages")
  func paths() {
    #expect(throws: Failure.validation("purchaseProof.data", "must be a base64 string")) {
      try read(OrderV1.CreateOrderRequest.self, #"{"purchaseProof":{"data":"?"}}"#)
    }
    #expect(throws: Failure.validation("entries[1].actorRoles[0]", "must be a string")) {
      try read(AuditV1.AppendAuditRequest.self, #"{"entries":[{},{"actorRoles":[7]}]}"#)
    }
    #expect(throws: Failure.validation("items", "must be a list")) {
      try read(WalletV1.ListTransactionsResponse.self, #"{"items":{}}"#)
    }
  }

  @Test(
    "64-bit integers are read exactly, from digits and from numbers",
    arguments: [
      (#""9223372036854775807""#, .max), ("9223372036854775807", .max), ("-9223372036854775808", .min), ("0", 0),
      ("-0", 0), ("1.0", 1), ("1e3", 1000), ("12.50e1", 125), (#""-5""#, -5), ("100e-2", 1), ("0e999999999", 0),
    ] as [(String, Int64)])
  func integers(json: String, value: Int64) throws {
    #expect(try read(WalletV1.DepositRequest.self, #"{"amountPaise":\#(json)}"#).amountPaise == value)
  }

  @Test(
    "what is no 64-bit integer is refused",
    arguments: [
      "1.5", "1e-1", "9223372036854775808", "-9223372036854775809", "1e19", "1e999999999999999999999", #""""#, #"" 1""#,
      #""+1""#, #""0x1""#, #""1_000""#, "true", "[]", "{}", #""one""#, "0.00000000000000000001", #""١""#,
    ])
  func notIntegers(json: String) {
    #expect(throws: Failure.self) { try read(WalletV1.DepositRequest.self, #"{"amountPaise":\#(json)}"#) }
  }

  @Test(
    "32-bit integers have their own range",
    arguments: [("2147483647", true), ("2147483648", false), (#""7""#, true)])
  func smallIntegers(json: String, isAllowed: Bool) {
    let request = try? read(WalletV1.ListTransactionsRequest.self, #"{"pageSize":\#(json)}"#)
    #expect((request != nil) == isAllowed)
  }

  @Test(
    "enums are read by proto name, by stored spelling and by number",
    arguments: [
      (#""PROOF_TYPE_RETURN_WINDOW""#, 5), (#""returnWindow""#, 5), ("5", 5), ("99", 99),
      (#""PROOF_TYPE_UNSPECIFIED""#, 0),
    ] as [(String, Int32)])
  func enums(json: String, number: Int32) throws {
    #expect(try read(OrderV1.Rejection.self, #"{"type":\#(json)}"#).type.rawValue == number)
  }

  @Test(
    "other spellings of an enum are refused",
    arguments: [#""RETURN_WINDOW""#, #""returnwindow""#, #""""#, "1.5", "true"])
  func notEnums(json: String) {
    #expect(throws: Failure.self) { try read(OrderV1.Rejection.self, #"{"type":\#(json)}"#) }
  }

  @Test("an unknown enum value is written as its number")
  func unknownEnum() {
    #expect(text(OrderV1.VerifyAllResponse(missingProofs: [.init(rawValue: 99)])).contains(#""missingProofs":[99]"#))
  }

  @Test(
    "times are read in any offset and written in UTC",
    arguments: [
      ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z"), ("2024-02-29T12:00:00.5Z", "2024-02-29T12:00:00.500Z"),
      ("2024-02-29T12:00:00.123456789Z", "2024-02-29T12:00:00.123Z"),
      ("2024-03-01T01:30:00+05:30", "2024-02-29T20:00:00Z"), ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
      ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"), ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
    ])
  func times(given: String, written: String) throws {
    let request = try read(WalletV1.ListTransactionsRequest.self, #"{"from":"\#(given)"}"#)
    #expect(text(request).contains(#""from":"\#(written)""#))
  }

  @Test(
    "what is no time is refused",
    arguments: [
      "", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01T24:00:00Z",
      "2024-01-01T00:00:60Z", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00.Z",
      "2024-01-01T00:00:00.1234567890Z", "2024-01-01T00:00:00+24:00", "0000-01-01T00:00:00Z",
      "9999-12-31T23:59:59-00:01", "24-01-01T00:00:00Z", "2024-01-01T00:00:00Zx",
    ])
  func notTimes(text: String) {
    #expect(throws: Failure.self) { try read(WalletV1.ListTransactionsRequest.self, #"{"from":"\#(text)"}"#) }
  }

  @Test("a struct is the JSON object that it means")
  func structs() throws {
    let json = #"{"metadata":{"a":null,"b":[1,true,"x",{}],"c":{"d":-1.5}}}"#
    let entry = try read(AuditV1.AuditEntry.self, json)
    #expect(text(entry).hasSuffix(#""metadata":{"a":null,"b":[1,true,"x",{}],"c":{"d":-1.5}}}"#))
    #expect(try AuditV1.AuditEntry(serialized: entry.serialized()) == entry)
  }

  @Test("durations and any are written plainly")
  func otherKnownTypes() throws {
    let retry = GoogleRPC.RetryInfo(retryDelay: .init(.milliseconds(-1_500)))
    #expect(text(retry) == #"{"retryDelay":"-1.5s"}"#)
    #expect(try read(GoogleRPC.RetryInfo.self, #"{"retryDelay":"-1.5s"}"#) == retry)
    #expect(throws: Failure.self) { try read(GoogleRPC.RetryInfo.self, #"{"retryDelay":"--1s"}"#) }
    #expect(throws: Failure.self) { try read(GoogleRPC.RetryInfo.self, #"{"retryDelay":"1"}"#) }
    let any = GoogleProtobuf.`Any`(typeUrl: "type.googleapis.com/x", value: [1, 2])
    let written = text(GoogleRPC.Status(code: 5, details: [any]))
    #expect(written.hasSuffix(#""details":[{"typeUrl":"type.googleapis.com/x","value":"AQI="}]}"#))
  }

  @Test(
    "instants convert without loss and saturate at the ends", arguments: [0, 1, -1, 999, -1_001, 1_700_000_000_123])
  func instants(milliseconds: Int64) {
    let time = Kernel.Timestamp(milliseconds: milliseconds)
    #expect(GoogleProtobuf.Timestamp(time).kernel == time)
    #expect((0..<1_000_000_000).contains(GoogleProtobuf.Timestamp(time).nanos))
    #expect(GoogleProtobuf.Timestamp(seconds: .max, nanos: .max).kernel.milliseconds == .max)
    #expect(GoogleProtobuf.Timestamp(seconds: .min, nanos: .min).kernel.milliseconds == .min)
  }

  @Test("a wrapper is written as the value inside it")
  func wrappers() throws {
    let data = GrpcChannelzV1.SocketData(
      localFlowControlWindow: .init(value: 65_535), receivedGoawayError: .init(value: 11))
    let json = try JSONValue(parsing: data.jsonBytes())
    #expect(json["localFlowControlWindow"] == "65535")
    #expect(json["receivedGoawayError"] == 11)
    #expect(json["remoteFlowControlWindow"] == nil)
    #expect(try GrpcChannelzV1.SocketData(jsonBytes: data.jsonBytes()) == data)
  }
}
