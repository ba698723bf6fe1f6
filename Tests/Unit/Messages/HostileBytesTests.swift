import Messages
import Testing

@Suite("hostile bytes")
struct HostileBytesTests {
  @Test("messages may nest to the limit and not beyond", arguments: [49, 50, 10_000])
  func depth(levels: Int) throws {
    // The outermost value is one message; every level adds a list and a value.
    let bytes = WireBytes.nestedLists(levels: levels)
    if 1 + 2 * levels <= MessageLimits.depthMax {
      let value = try GoogleProtobuf.Value(serialized: bytes)
      #expect(try value.serialized() == bytes)
    } else {
      #expect(throws: MessageFailure.tooDeep) { try GoogleProtobuf.Value(serialized: bytes) }
    }
  }

  @Test("nesting is counted from the outermost message")
  func depthBelow() {
    let metadata = WireBytes.make { wire in
      let entry = WireBytes.make {
        $0.payload(1, [0x61])
        $0.payload(2, WireBytes.nestedLists(levels: 49))
      }
      wire.payload(1, entry)
    }
    let bytes = WireBytes.make { $0.payload(12, metadata) }
    #expect(throws: MessageFailure.tooDeep) { try AuditV1.AuditLog(serialized: bytes) }
  }

  @Test(
    "text must be UTF-8",
    arguments: [
      [0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82],
      Array("1234567".utf8) + [0x80], Array("12345678".utf8) + [0xC3],
    ] as [[UInt8]])
  func invalidUTF8(text: [UInt8]) {
    let bytes = WireBytes.make { $0.payload(2, text) }
    #expect(throws: MessageFailure.invalidUTF8(field: "ownerUserId")) { try WalletV1.DepositRequest(serialized: bytes) }
  }

  @Test("text must not contain U+0000, wherever it stands", arguments: 0..<20)
  func nul(position: Int) {
    var text = [UInt8](repeating: 0x61, count: 20)
    text[position] = 0
    let bytes = WireBytes.make { $0.payload(4, text) }
    #expect(throws: MessageFailure.containsNUL(field: "ref")) { try WalletV1.DepositRequest(serialized: bytes) }
  }

  @Test("keys and values of maps are checked as well")
  func maps() {
    let entry = WireBytes.make {
      $0.payload(1, [0xFF])
      $0.payload(2, [0x61])
    }
    let bytes = WireBytes.make { $0.payload(3, entry) }
    #expect(throws: MessageFailure.invalidUTF8(field: "metadata")) { try GoogleRPC.ErrorInfo(serialized: bytes) }
  }

  @Test("no prefix of a message is taken for a whole field")
  func truncated() throws {
    let bytes = WireBytes.make { $0.payload(4, Array("reference".utf8)) }
    for length in 1..<bytes.count {
      #expect(throws: MessageFailure.malformed) { try WalletV1.DepositRequest(serialized: Array(bytes.prefix(length))) }
    }
  }

  @Test(
    "damaged framing is refused",
    arguments: [
      [0x22, 0xFF, 0xFF, 0xFF, 0xFF, 0x07],  // A length of 2 GiB.
      [0x22, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01],  // A length of 64 bits.
      [0x18] + [UInt8](repeating: 0x80, count: 10) + [0x01],  // A number of 11 bytes.
      [0x18] + [UInt8](repeating: 0xFF, count: 12),
      [0x23], [0x24],  // Groups.
      [0x26], [0x27],  // Wire types that do not exist.
      [0x02, 0x01, 0x61], [0x00, 0x01],  // Field number 0.
      [0x20, 0x05],  // A number where a text belongs.
      [0x1A, 0x01, 0x05],  // A text where a number belongs.
    ] as [[UInt8]])
  func damagedFraming(bytes: [UInt8]) {
    #expect(throws: MessageFailure.malformed) { try WalletV1.DepositRequest(serialized: bytes) }
  }

  @Test("a flood of empty nested messages is refused before it takes memory")
  func flood() {
    let item = WireBytes.make { $0.payload(1, []) }
    let bytes = [[UInt8]](repeating: item, count: 1_000_000).flatMap { $0 }
    #expect(throws: MessageFailure.tooLarge) { try WalletV1.ListTransactionsResponse(serialized: bytes) }
  }

  @Test("a flood of empty texts is refused before it takes memory")
  func textFlood() {
    let item = WireBytes.make { $0.payload(25, []) }
    let bytes = [[UInt8]](repeating: item, count: 2_000_000).flatMap { $0 }
    #expect(throws: MessageFailure.tooLarge) { try OrderV1.Order(serialized: bytes) }
  }

  @Test("a packed list counts by its elements")
  func packedFlood() {
    let bytes = WireBytes.make { $0.payload(3, [UInt8](repeating: 1, count: MessageLimits.fieldsMax + 1)) }
    #expect(throws: MessageFailure.tooLarge) { try OrderV1.VerifyAllResponse(serialized: bytes) }
  }

  @Test("random damage never crashes and never changes what is read twice", arguments: 0..<8)
  func mutations(seed: UInt64) throws {
    var random = Xorshift(seed: seed)
    let original = try Sample.transaction.serialized()
    for _ in 0..<2_000 {
      var bytes = original
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      guard let message = try? WalletV1.Transaction(serialized: bytes) else { continue }
      let again = try WalletV1.Transaction(serialized: message.serialized())
      #expect(try again.serialized() == message.serialized(), "seed \(seed), bytes \(bytes)")
    }
  }
}

/// A repeatable source of randomness (xorshift64*).
struct Xorshift: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 2_685_821_657_736_338_717 | 1 }

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 2_685_821_657_736_338_717
  }
}
