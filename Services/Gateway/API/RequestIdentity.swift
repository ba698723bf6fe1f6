import HTTP

/// The ids that a request brings, or gets.
enum RequestIdentity {
  static let lengthMax = 128

  /// The caller's `x-request-id` if it is 1 to 128 printable ASCII characters, else a new UUID: an id that cannot be
  /// echoed safely must not break the request.
  static func correlationID(_ headers: HTTPFields) -> String {
    guard let given = headers["x-request-id"], (1...lengthMax).contains(given.utf8.count),
      given.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else { return uuid() }
    return given
  }

  /// A random UUID (RFC 9562, version 4), lower-case.
  static func uuid() -> String {
    var bytes = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
    bytes[6] = bytes[6] & 0x0F | 0x40
    bytes[8] = bytes[8] & 0x3F | 0x80
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    text.reserveCapacity(36)
    for (index, byte) in bytes.enumerated() {
      if [4, 6, 8, 10].contains(index) { text.append(UInt8(ascii: "-")) }
      text.append(digits[Int(byte >> 4)])
      text.append(digits[Int(byte & 0xF)])
    }
    return String(decoding: text, as: UTF8.self)
  }
}
