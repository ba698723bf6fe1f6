import Synchronization

/// MongoDB's ObjectId: 4 bytes of seconds, 5 random bytes of the process, a 3-byte counter.
///
/// Kept as its twelve bytes, so that copying, comparing and hashing one costs no more than with a number.
public struct ObjectID: Hashable, Comparable, Sendable {
  public static let byteCount = 12

  /// Bytes 0 to 7, the first of them highest.
  private let leading: UInt64
  /// Bytes 8 to 11.
  private let trailing: UInt32

  private init(leading: UInt64, trailing: UInt32) {
    self.leading = leading
    self.trailing = trailing
  }

  /// Nil unless `text` is 24 lower-case hex characters.
  public init?(_ text: String) {
    var text = text
    let parsed = text.withUTF8 { digits -> ObjectID? in
      guard digits.count == 2 * Self.byteCount, let leading = Self.number(digits[..<16]),
        let trailing = Self.number(digits[16...])
      else { return nil }
      return ObjectID(leading: leading, trailing: UInt32(truncatingIfNeeded: trailing))
    }
    guard let parsed else { return nil }
    self = parsed
  }

  /// The first `byteCount` bytes of `bytes`, which must hold as many.
  public init(bytes: UnsafeRawBufferPointer) {
    precondition(bytes.count >= Self.byteCount, "an object id has 12 bytes")
    leading = UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
    trailing = UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self))
  }

  /// A new id, unique across processes; ids of one process ascend within a second.
  public static func generate(at now: Timestamp) -> ObjectID {
    let seconds = UInt64(UInt32(truncatingIfNeeded: now.milliseconds / 1_000))
    let count = counter.wrappingAdd(1, ordering: .relaxed).newValue & 0xFF_FFFF
    return ObjectID(
      leading: seconds << 32 | processRandom >> 8, trailing: UInt32(processRandom & 0xFF) << 24 | count)
  }

  /// 24 lower-case hex characters.
  public var hex: String {
    String(unsafeUninitializedCapacity: 2 * Self.byteCount) { text in
      for index in 0..<16 { text[index] = Self.digit(leading >> UInt64(60 - 4 * index)) }
      for index in 0..<8 { text[16 + index] = Self.digit(UInt64(trailing) >> UInt64(28 - 4 * index)) }
      return 2 * Self.byteCount
    }
  }

  /// Writes the `byteCount` bytes to where `target` points.
  public func store(to target: UnsafeMutableRawPointer) {
    target.storeBytes(of: leading.bigEndian, as: UInt64.self)
    target.storeBytes(of: trailing.bigEndian, toByteOffset: 8, as: UInt32.self)
  }

  public static func < (left: ObjectID, right: ObjectID) -> Bool {
    (left.leading, left.trailing) < (right.leading, right.trailing)
  }

  private static let processRandom = UInt64.random(in: 0...0xFF_FFFF_FFFF)
  private static let counter = Atomic<UInt32>(UInt32.random(in: 0...0xFF_FFFF))

  private static func number(_ digits: Slice<UnsafeBufferPointer<UInt8>>) -> UInt64? {
    var number: UInt64 = 0
    for digit in digits {
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): number = number << 4 | UInt64(digit - UInt8(ascii: "0"))
      case UInt8(ascii: "a")...UInt8(ascii: "f"): number = number << 4 | UInt64(digit - UInt8(ascii: "a") + 10)
      default: return nil
      }
    }
    return number
  }

  private static func digit(_ value: UInt64) -> UInt8 {
    let value = UInt8(truncatingIfNeeded: value & 15)
    return value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}

extension ObjectID: CustomStringConvertible {
  public var description: String { hex }
}
