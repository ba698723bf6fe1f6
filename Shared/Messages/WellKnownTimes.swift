import Kernel

extension GoogleProtobuf.Timestamp {
  public init(_ time: Kernel.Timestamp) {
    let (seconds, rest) = time.milliseconds.quotientAndRemainder(dividingBy: 1_000)
    self.init(
      seconds: rest < 0 ? seconds - 1 : seconds, nanos: Int32(rest < 0 ? rest + 1_000 : rest) * 1_000_000)
  }

  /// In milliseconds, rounded down; an instant that milliseconds cannot count becomes the nearest that they can.
  public var kernel: Kernel.Timestamp {
    let (whole, overflowed) = seconds.multipliedReportingOverflow(by: 1_000)
    let rest = Int64(nanos)
    let (sum, carried) = whole.addingReportingOverflow((rest >= 0 ? rest : rest - 999_999) / 1_000_000)
    guard !overflowed, !carried else { return Kernel.Timestamp(milliseconds: seconds < 0 ? .min : .max) }
    return Kernel.Timestamp(milliseconds: sum)
  }

  /// An RFC 3339 string.
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    guard case .string(let text) = json, let time = RFC3339.parse(text) else {
      throw .validation(path.text, "must be a time such as 2024-05-31T10:00:00Z")
    }
    self.init(time)
  }

  public func writeJSON(to writer: inout JSONWriter) {
    writer.string(RFC3339.text(kernel))
  }

  public mutating func enforce(_ rules: inout RuleCheck) {
    if !RFC3339.range.contains(kernel.milliseconds) { rules.violate("seconds", "must be in the years 1 to 9999") }
    rules.integer("nanos", nanos, min: 0, max: 999_999_999)
  }
}

extension Kernel.Timestamp {
  /// The message of an optional instant.
  public var message: GoogleProtobuf.Timestamp { GoogleProtobuf.Timestamp(self) }
}

extension GoogleProtobuf.Duration {
  /// Ten thousand years, as the public definition has it.
  private static let secondsMax: Int64 = 315_576_000_000

  public init(_ duration: Swift.Duration) {
    let (seconds, attoseconds) = duration.components
    self.init(seconds: seconds, nanos: Int32(attoseconds / 1_000_000_000))
  }

  public var kernel: Swift.Duration {
    .seconds(min(max(seconds, -Self.secondsMax), Self.secondsMax)) + .nanoseconds(Int64(nanos))
  }

  /// Seconds with up to nine decimals and an `s`: `1.5s`.
  public init(json: JSONValue, path: JSONPath) throws(Failure) {
    guard case .string(let text) = json, let duration = Self.parse(text) else {
      throw .validation(path.text, "must be a duration such as 1.5s")
    }
    self = duration
  }

  private static func parse(_ text: String) -> GoogleProtobuf.Duration? {
    guard text.last == "s" else { return nil }
    let isNegative = text.first == "-"
    let parts = text.dropLast().drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
    let digits = parts.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }
    guard (1...2).contains(parts.count), digits, let seconds = Int64(parts[0]), seconds <= secondsMax else {
      return nil
    }
    let fraction = parts.count == 2 ? parts[1] : ""
    guard fraction.count <= 9, text.dropFirst().first != "-",
      let nanos = Int32(fraction + String(repeating: "0", count: 9 - fraction.count))
    else { return nil }
    return GoogleProtobuf.Duration(seconds: isNegative ? -seconds : seconds, nanos: isNegative ? -nanos : nanos)
  }

  public func writeJSON(to writer: inout JSONWriter) {
    let sign = seconds < 0 || nanos < 0 ? "-" : ""
    var text = "\(sign)\(seconds.magnitude)"
    if nanos != 0 {
      let digits = String(nanos.magnitude)
      let fraction = String(repeating: "0", count: max(0, 9 - digits.count)) + digits
      let end = fraction.lastIndex { $0 != "0" } ?? fraction.startIndex
      text += "." + fraction[...end]
    }
    writer.string(text + "s")
  }

  public mutating func enforce(_ rules: inout RuleCheck) {
    rules.integer("seconds", seconds, min: -Self.secondsMax, max: Self.secondsMax)
    rules.integer("nanos", nanos, min: -999_999_999, max: 999_999_999)
  }
}
