import Messages

/// Writes protobuf by hand, so that tests can send what no honest encoder would.
struct WireBytes {
  private(set) var bytes: [UInt8] = []

  mutating func varint(_ number: Int, _ value: UInt64) {
    append(UInt64(number) << 3)
    append(value)
  }

  mutating func payload(_ number: Int, _ payload: [UInt8]) {
    append(UInt64(number) << 3 | 2)
    append(UInt64(payload.count))
    bytes += payload
  }

  mutating func raw(_ raw: [UInt8]) { bytes += raw }

  private mutating func append(_ value: UInt64) {
    var value = value
    while value >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
    }
    bytes.append(UInt8(value))
  }

  static func make(_ fill: (inout WireBytes) -> Void) -> [UInt8] {
    var wire = WireBytes()
    fill(&wire)
    return wire.bytes
  }

  /// `google.protobuf.Value` with lists inside lists: each level is two messages deep.
  static func nestedLists(levels: Int) -> [UInt8] {
    var inner: [UInt8] = []
    for _ in 0..<levels {
      let list = make { $0.payload(1, inner) }
      inner = make { $0.payload(6, list) }
    }
    return inner
  }
}

enum Sample {
  static let time = GoogleProtobuf.Timestamp(seconds: 1_700_000_000, nanos: 123_000_000)

  static let transaction = WalletV1.Transaction(
    id: "65f0c0ffee65f0c0ffee65f0", postingId: "65f0c0ffee65f0c0ffee65f1", type: .cashbackSettle, status: .completed,
    account: .wallet, walletId: "65f0c0ffee65f0c0ffee65f2", bucket: .available, direction: .credit,
    amountPaise: 12_345, balanceAfterPaise: 0, metadata: ["note": "für Ärmel 👍", "count": 3], createdAt: time)
}
