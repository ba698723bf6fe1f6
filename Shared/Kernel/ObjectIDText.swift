import Synchronization

/// The text form of MongoDB's ObjectId: 4 bytes of seconds, 5 random bytes of the process, a 3-byte counter.
enum ObjectIDText {
  static func isValid(_ text: String) -> Bool {
    let bytes = text.utf8
    return bytes.count == 24 && bytes.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }

  static func generate(at now: Timestamp) -> String {
    let seconds = UInt32(truncatingIfNeeded: now.milliseconds / 1_000)
    let count = counter.wrappingAdd(1, ordering: .relaxed).newValue & 0xFF_FFFF
    var text = ""
    text.reserveCapacity(24)
    appendHex(UInt64(seconds), digits: 8, to: &text)
    appendHex(processRandom, digits: 10, to: &text)
    appendHex(UInt64(count), digits: 6, to: &text)
    return text
  }

  private static let processRandom = UInt64.random(in: 0...0xFF_FFFF_FFFF)
  private static let counter = Atomic<UInt32>(UInt32.random(in: 0...0xFF_FFFF))

  private static func appendHex(_ value: UInt64, digits: Int, to text: inout String) {
    let hex = String(value, radix: 16)
    for _ in hex.utf8.count..<digits { text.append("0") }
    text.append(hex)
  }
}
