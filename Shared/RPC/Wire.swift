internal import HTTP2

/// The header blocks that never change.
enum WireHeaders {
  /// The head of every answer that carries a message.
  static let responseHead = StaticHeaders(responsePairs)
  /// The same, for a head that has more to say.
  static let responseFields = HeaderList(responsePairs)
  private static let responsePairs = [(":status", "200"), ("content-type", "application/grpc")]
  /// The end of a call that succeeded and has nothing to add.
  static let okTrailers = StaticHeaders([("grpc-status", "0")])
  static let unsupportedMediaType = StaticHeaders([(":status", "415"), ("content-type", "text/plain")])
  static let methodNotAllowed = StaticHeaders([
    (":status", "405"), ("allow", "POST"), ("content-type", "text/plain"),
  ])
  /// For whoever comes with a browser or curl.
  static let notGRPC = Array("This is a gRPC endpoint. Send POST with content-type application/grpc.\n".utf8)
}

/// `grpc-message`: UTF-8 with everything but printable ASCII, and `%` itself, percent-encoded.
enum StatusMessage {
  /// At most `bytesMax` bytes; what does not fit is cut off between characters.
  static func encode(_ text: String, bytesMax: Int = Limits.statusMessageBytesMax) -> String {
    var result: [UInt8] = []
    for character in text.unicodeScalars {
      let before = result.count
      for byte in UTF8.encode(character) ?? UTF8.encodedReplacementCharacter {
        if (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "%") {
          result.append(byte)
        } else {
          result.append(UInt8(ascii: "%"))
          result.append(hexDigits[Int(byte >> 4)])
          result.append(hexDigits[Int(byte & 0xF)])
        }
      }
      guard result.count <= bytesMax else {
        result.removeSubrange(before...)
        break
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  /// What is no valid escape stays as it is: a status is shown to people, so something is better than nothing.
  static func decode(_ text: String) -> String {
    guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
    let bytes = Array(text.utf8)
    var result: [UInt8] = []
    var position = 0
    while position < bytes.count {
      if bytes[position] == UInt8(ascii: "%"), position + 2 < bytes.count,
        let high = value(bytes[position + 1]), let low = value(bytes[position + 2])
      {
        result.append(high << 4 | low)
        position += 3
      } else {
        result.append(bytes[position])
        position += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }

  private static let hexDigits = Array("0123456789ABCDEF".utf8)

  private static func value(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    default: nil
    }
  }
}

/// `grpc-timeout`: up to eight digits and a unit.
enum Timeout {
  /// Nil if the text is no time-out.
  static func parse(_ text: some Collection<UInt8>) -> Duration? {
    guard (2...Limits.timeoutDigitsMax + 1).contains(text.count), let unit = text.dropFirst(text.count - 1).first
    else { return nil }
    var number: Int64 = 0
    for digit in text.dropLast() {
      guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
      number = number * 10 + Int64(digit - UInt8(ascii: "0"))
    }
    return switch unit {
    case UInt8(ascii: "H"): .seconds(number * 3_600)
    case UInt8(ascii: "M"): .seconds(number * 60)
    case UInt8(ascii: "S"): .seconds(number)
    case UInt8(ascii: "m"): .milliseconds(number)
    case UInt8(ascii: "u"): .microseconds(number)
    case UInt8(ascii: "n"): .nanoseconds(number)
    default: nil
    }
  }

  /// In the finest unit that eight digits can say, rounded down; at least one nanosecond.
  static func format(_ duration: Duration) -> String {
    let (seconds, attoseconds) = duration.components
    guard duration > .zero else { return "1n" }
    let nanosecondsPerSecond: Int64 = 1_000_000_000
    let fraction = attoseconds / 1_000_000_000
    if seconds == 0, fraction < digitsCeiling { return "\(max(fraction, 1))n" }
    if seconds < 100 { return "\((seconds * nanosecondsPerSecond + fraction) / 1_000)u" }
    if seconds < 100_000 { return "\((seconds * nanosecondsPerSecond + fraction) / 1_000_000)m" }
    if seconds < digitsCeiling { return "\(seconds)S" }
    return "\(min(seconds / 3_600, digitsCeiling - 1))H"
  }

  /// The first number that takes nine digits.
  private static let digitsCeiling: Int64 = 100_000_000
}

/// A message as it travels: one byte that says whether it is compressed, four of length, the bytes.
enum Framing {
  static let prefixBytes = 5

  /// `isCompressed` says what `message` is; it compresses nothing.
  static func frame(_ message: [UInt8], isCompressed: Bool = false) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: prefixBytes + message.count) { target, count in
      writePrefix(to: target, isCompressed: isCompressed, message.count)
      _ = target.extracting(prefixBytes...).update(fromContentsOf: message)
      count = prefixBytes + message.count
    }
  }

  /// Fills in the prefix for which there is room in front of a message that is not compressed.
  static func seal(_ roomAndMessage: inout [UInt8]) {
    roomAndMessage.withUnsafeMutableBufferPointer {
      writePrefix(to: $0, isCompressed: false, $0.count - prefixBytes)
    }
  }

  private static func writePrefix(to target: UnsafeMutableBufferPointer<UInt8>, isCompressed: Bool, _ count: Int) {
    let length = UInt32(truncatingIfNeeded: count)
    target[0] = isCompressed ? 1 : 0
    target[1] = UInt8(truncatingIfNeeded: length >> 24)
    target[2] = UInt8(truncatingIfNeeded: length >> 16)
    target[3] = UInt8(truncatingIfNeeded: length >> 8)
    target[4] = UInt8(truncatingIfNeeded: length)
  }
}
