import Kernel

/// Base64 (RFC 4648): written with the standard alphabet and padding, read in either alphabet, padding optional.
public enum Base64 {
  private static let standard = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  private static let values: [UInt8] = {
    var table = [UInt8](repeating: 0xFF, count: 256)
    for (value, digit) in standard.enumerated() { table[Int(digit)] = UInt8(value) }
    table[Int(UInt8(ascii: "-"))] = 62
    table[Int(UInt8(ascii: "_"))] = 63
    return table
  }()

  static func decode(_ json: JSONValue, _ path: JSONPath) throws(Failure) -> [UInt8] {
    guard case .string(let text) = json, let bytes = decode(text) else {
      throw .validation(path.text, "must be a base64 string")
    }
    return bytes
  }

  /// Nil unless the whole text is base64 whose unused bits are zero.
  public static func decode(_ text: String) -> [UInt8]? {
    var text = text
    return text.withUTF8 { digits -> [UInt8]? in
      var count = digits.count
      while count > 0, digits.count - count < 2, digits[count - 1] == UInt8(ascii: "=") { count -= 1 }
      guard count == digits.count || digits.count.isMultiple(of: 4), count % 4 != 1 else { return nil }
      return decode(UnsafeBufferPointer(rebasing: digits[..<count]))
    }
  }

  private static func decode(_ digits: UnsafeBufferPointer<UInt8>) -> [UInt8]? {
    var isValid = true
    let bytes = [UInt8](unsafeUninitializedCapacity: digits.count / 4 * 3 + 3) { out, written in
      values.withUnsafeBufferPointer { values in
        var bits: UInt32 = 0
        var bitCount = 0
        for digit in digits {
          let value = values[Int(digit)]
          guard value != 0xFF else {
            isValid = false
            break
          }
          bits = bits << 6 | UInt32(value)
          bitCount += 6
          if bitCount >= 8 {
            bitCount -= 8
            out[written] = UInt8(truncatingIfNeeded: bits >> UInt32(bitCount))
            written += 1
          }
        }
        isValid = isValid && bits & (1 << UInt32(bitCount) - 1) == 0
      }
    }
    return isValid ? bytes : nil
  }

  public static func encode(_ data: [UInt8]) -> String {
    var bytes: [UInt8] = []
    append(data, to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  static func append(_ data: [UInt8], to bytes: inout [UInt8]) {
    bytes.reserveCapacity(bytes.count + (data.count + 2) / 3 * 4 + 1)
    data.withUnsafeBufferPointer { data in
      standard.withUnsafeBufferPointer { digits in
        var index = 0
        while index < data.count {
          let left = data.count - index
          let second = left > 1 ? data[index + 1] : 0
          let third = left > 2 ? data[index + 2] : 0
          let bits = UInt32(data[index]) << 16 | UInt32(second) << 8 | UInt32(third)
          bytes.append(digits[Int(bits >> 18)])
          bytes.append(digits[Int(bits >> 12 & 63)])
          bytes.append(left > 1 ? digits[Int(bits >> 6 & 63)] : UInt8(ascii: "="))
          bytes.append(left > 2 ? digits[Int(bits & 63)] : UInt8(ascii: "="))
          index += 3
        }
      }
    }
  }
}
