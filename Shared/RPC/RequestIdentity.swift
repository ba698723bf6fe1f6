internal import Synchronization

/// Correlation ids (`x-request-id`) and the traces of callers (`traceparent`).
enum RequestIdentity {
  /// A caller's id is believed if it is short, printable and free of spaces; anything else would spoil our logs.
  static func accepted(_ text: String?) -> String? {
    guard let text, (1...Limits.requestIDBytesMax).contains(text.utf8.count) else { return nil }
    return text.utf8.allSatisfy { (0x21...0x7E).contains($0) } ? text : nil
  }

  /// A caller's trace is passed on if it has the shape of W3C Trace Context: version, trace id, parent id and flags in
  /// lower-case hex. Versions after 00 may append something.
  static func acceptedTrace(_ text: String?) -> String? {
    guard let text = accepted(text) else { return nil }
    let bytes = Array(text.utf8)
    let dash = UInt8(ascii: "-")
    guard bytes.count >= traceBytes else { return nil }
    for position in 0..<traceBytes {
      let isInPlace = traceDashes.contains(position) ? bytes[position] == dash : isLowerHex(bytes[position])
      guard isInPlace else { return nil }
    }
    guard bytes.count == traceBytes || (bytes[traceBytes] == dash && !text.hasPrefix("00")) else { return nil }
    let zero = UInt8(ascii: "0")
    let (traceID, parentID) = (bytes[3..<35], bytes[36..<52])
    guard !text.hasPrefix("ff"), !traceID.allSatisfy({ $0 == zero }), !parentID.allSatisfy({ $0 == zero }) else {
      return nil
    }
    return text
  }

  /// `00-<32 digits>-<16 digits>-<2 digits>`.
  private static let traceBytes = 55
  private static let traceDashes = [2, 35, 52]

  private static func isLowerHex(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
  }

  /// 32 hex digits, unique among all processes for practical purposes; not a secret.
  static func make() -> String {
    String(unsafeUninitializedCapacity: 32) { text in
      write(next(), to: text.extracting(0..<16))
      write(next(), to: text.extracting(16..<32))
      return 32
    }
  }

  private static func write(_ word: UInt64, to text: UnsafeMutableBufferPointer<UInt8>) {
    for position in 0..<16 {
      let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * position)) & 0xF
      text[position] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
  }

  /// SplitMix64 over a randomly started counter: no system call per id.
  private static func next() -> UInt64 {
    var word = counter.wrappingAdd(0x9E37_79B9_7F4A_7C15, ordering: .relaxed).newValue
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  private static let counter = Atomic<UInt64>(UInt64.random(in: .min ... .max))
}
