import Messages
import Testing

@Suite("messages as protobuf")
struct WireTests {
  @Test("a message survives the wire with optional, nested, enum and map fields")
  func roundTrip() throws {
    let decoded = try WalletV1.Transaction(serialized: Sample.transaction.serialized())
    #expect(decoded == Sample.transaction)
    #expect(decoded.balanceAfterPaise == 0)
    #expect(decoded.walletVersionAfter == nil)
    #expect(decoded.metadata?["note"]?.string == "für Ärmel 👍")
  }

  @Test("an empty message is no bytes")
  func empty() throws {
    #expect(try WalletV1.DepositRequest().serialized() == [])
    #expect(try WalletV1.DepositRequest(serialized: []) == WalletV1.DepositRequest())
  }

  @Test("an optional field that is set to its default is not the same as an absent one")
  func presence() throws {
    let blank = try IdentityV1.User(serialized: IdentityV1.User(username: "").serialized())
    #expect(blank.username == "")
    #expect(try IdentityV1.User(serialized: IdentityV1.User().serialized()).username == nil)
  }

  @Test("lists of texts, enums and messages keep their order")
  func lists() throws {
    let order = OrderV1.Order(
      frozenReasons: ["b", "", "a"], missingProofRequests: [.init(type: .rating), .init(type: .order, note: "x")])
    #expect(try OrderV1.Order(serialized: order.serialized()) == order)
    let answer = OrderV1.VerifyAllResponse(missingProofs: [.review, .order, .init(rawValue: 77)])
    #expect(try OrderV1.VerifyAllResponse(serialized: answer.serialized()) == answer)
  }

  @Test(
    "every kind of value of a oneof survives the wire",
    arguments: [
      .null, "text", true, ["a", ["deep": "b"]], ["k": .null], GoogleProtobuf.Value(kind: .numberValue(-1.5)),
      GoogleProtobuf.Value(kind: .stringValue("")), GoogleProtobuf.Value(),
    ] as [GoogleProtobuf.Value])
  func oneofs(value: GoogleProtobuf.Value) throws {
    #expect(try GoogleProtobuf.Value(serialized: value.serialized()) == value)
  }

  @Test("equal maps become equal bytes, whatever the order of insertion")
  func deterministicMaps() throws {
    var forwards = GoogleRPC.ErrorInfo()
    var backwards = GoogleRPC.ErrorInfo()
    for index in 0..<50 { forwards.metadata["key\(index)"] = "\(index)" }
    for index in (0..<50).reversed() { backwards.metadata["key\(index)"] = "\(index)" }
    #expect(try forwards.serialized() == backwards.serialized())
    #expect(try GoogleRPC.ErrorInfo(serialized: forwards.serialized()) == forwards)
  }

  @Test("unknown fields of every wire type survive, behind the known ones")
  func unknownFields() throws {
    let known = WireBytes.make { $0.payload(4, Array("ref".utf8)) }
    let unknown = WireBytes.make {
      $0.varint(900, .max)
      $0.payload(901, [1, 2, 3])
      $0.raw([0xB5, 0x38, 1, 2, 3, 4])  // Field 902 of wire type 5.
      $0.raw([0xB9, 0x38, 1, 2, 3, 4, 5, 6, 7, 8])  // Field 903 of wire type 1.
    }
    let message = try WalletV1.DepositRequest(serialized: unknown + known)
    #expect(message.unknownFields.numbers == [900, 901, 902, 903])
    #expect(try message.serialized() == known + unknown)
  }

  @Test("an enum value of a later version keeps its number")
  func unknownEnums() throws {
    let bytes = WireBytes.make { $0.varint(3, 99) }
    let wallet = try WalletV1.Wallet(serialized: bytes)
    #expect(wallet.ownerKind.rawValue == 99)
    #expect(wallet.ownerKind.name == nil && !wallet.ownerKind.isKnown)
    #expect(try wallet.serialized() == bytes)
  }

  @Test("the last of several values of one field wins")
  func duplicates() throws {
    let bytes = WireBytes.make {
      $0.payload(4, Array("first".utf8))
      $0.payload(4, Array("last".utf8))
    }
    #expect(try WalletV1.DepositRequest(serialized: bytes).ref == "last")
  }

  @Test("a large message leaves the arena as it found it")
  func largeAndSmall() throws {
    let image = CommonV1.Image(data: [UInt8](repeating: 7, count: 3 << 20), contentType: "image/png")
    for _ in 0..<3 {
      #expect(try CommonV1.Image(serialized: image.serialized()) == image)
      #expect(try WalletV1.Transaction(serialized: Sample.transaction.serialized()) == Sample.transaction)
    }
  }

  @Test("conversions on many threads do not disturb each other")
  func threads() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for index in 0..<16 {
        group.addTask {
          for round in 0..<200 {
            let request = WalletV1.DepositRequest(requestId: "r-\(index)-\(round)", amountPaise: Int64(round))
            let decoded = try WalletV1.DepositRequest(serialized: request.serialized())
            #expect(decoded == request)
          }
        }
      }
      try await group.waitForAll()
    }
  }
}
