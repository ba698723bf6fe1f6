/// The few lines of JSON writing that log lines need: no dependency, no failure.
enum JSONText {
  /// Appends `text` as a JSON string (RFC 8259, section 7). Control characters, DEL and the line separators that some
  /// readers take for line ends are escaped, so that one entry stays one line.
  static func append(_ text: String, to bytes: inout [UInt8]) {
    bytes.append(UInt8(ascii: "\""))
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": bytes += [UInt8(ascii: "\\"), UInt8(ascii: "\"")]
      case "\\": bytes += [UInt8(ascii: "\\"), UInt8(ascii: "\\")]
      case "\n": bytes += Array("\\n".utf8)
      case "\r": bytes += Array("\\r".utf8)
      case "\t": bytes += Array("\\t".utf8)
      case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}": appendEscape(scalar, to: &bytes)
      default: bytes += UTF8.encode(scalar).map(Array.init) ?? []
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func appendEscape(_ scalar: Unicode.Scalar, to bytes: inout [UInt8]) {
    let hex = String(scalar.value, radix: 16)
    bytes += Array("\\u".utf8)
    for _ in hex.utf8.count..<4 { bytes.append(UInt8(ascii: "0")) }
    bytes += Array(hex.utf8)
  }
}
