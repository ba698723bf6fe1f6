import Kernel
import Logging

/// Writes each log entry as one JSON object on one line:
/// `{"timestamp":…,"level":…,"message":…,"service":…}` and the entry's metadata as further members.
public struct JSONLogHandler: LogHandler {
  public var metadata: Logger.Metadata = [:]
  public var metadataProvider: Logger.MetadataProvider?
  public var logLevel: Logger.Level

  private let service: String
  private let clock: any WallClock
  private let sink: any LogSink

  public init(
    service: String, level: Logger.Level, clock: any WallClock = SystemClock(), sink: any LogSink = StandardErrorSink()
  ) {
    self.service = service
    logLevel = level
    self.clock = clock
    self.sink = sink
  }

  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  public func log(event: LogEvent) {
    var merged = metadata
    if let provided = metadataProvider?.get() { merged.merge(provided) { _, new in new } }
    if let own = event.metadata { merged.merge(own) { _, new in new } }
    if let error = event.error { merged["error"] = "\(error)" }
    var line = LogLine(at: clock.now(), level: event.level.rawValue, message: Redactor.clean("\(event.message)"))
    line.append("service", service)
    for (name, value) in merged.sorted(by: { $0.key < $1.key }) {
      // The four members of every line belong to the handler; metadata of these names would be ambiguous.
      let isTaken = ["timestamp", "level", "message", "service"].contains(name)
      line.append(name: isTaken ? "metadata.\(name)" : name, value)
    }
    sink.write(line.finished())
  }
}

/// Where lines go.
public protocol LogSink: Sendable {
  /// Writes one whole line, its newline included. Never fails: there is nowhere to report it.
  func write(_ line: [UInt8])
}

/// One line under construction.
struct LogLine {
  private var bytes: [UInt8] = [UInt8(ascii: "{")]

  /// - Parameter instant: nil leaves the timestamp out.
  init(at instant: Timestamp?, level: String, message: String) {
    if let instant { append("timestamp", instant.rfc3339) }
    append("level", level)
    append("message", message)
  }

  mutating func append(_ name: String, _ text: String) {
    beginMember(name)
    JSONText.append(text, to: &bytes)
  }

  mutating func append(name: String, _ value: Logger.Metadata.Value) {
    beginMember(name)
    append(value, name: name)
  }

  consuming func finished() -> [UInt8] {
    bytes += [UInt8(ascii: "}"), UInt8(ascii: "\n")]
    return bytes
  }

  private mutating func beginMember(_ name: String) {
    if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
    JSONText.append(name, to: &bytes)
    bytes.append(UInt8(ascii: ":"))
  }

  private mutating func append(_ value: Logger.Metadata.Value, name: String) {
    guard !Redactor.isSecret(name: name) else { return JSONText.append(Redactor.mask, to: &bytes) }
    switch value {
    case .string(let text): JSONText.append(Redactor.clean(text), to: &bytes)
    case .stringConvertible(let number as any FixedWidthInteger): bytes += Array("\(number)".utf8)
    case .stringConvertible(let flag as Bool): bytes += Array("\(flag)".utf8)
    case .stringConvertible(let other): JSONText.append(Redactor.clean("\(other)"), to: &bytes)
    case .array(let items):
      bytes.append(UInt8(ascii: "["))
      for (index, item) in items.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        append(item, name: name)
      }
      bytes.append(UInt8(ascii: "]"))
    case .dictionary(let members):
      bytes.append(UInt8(ascii: "{"))
      for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        JSONText.append(member.key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        append(member.value, name: member.key)
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }
}

extension Timestamp {
  /// `2025-06-15T12:30:00.123Z`. The calendar is proleptic Gregorian (days from civil, in 400-year eras).
  public var rfc3339: String {
    let days = Int(milliseconds.flooredQuotient(by: 86_400_000))
    let rest = Int(milliseconds - Int64(days) * 86_400_000)
    let shifted = days + 719_468  // Days since 0000-03-01, so that leap days end a year.
    let era = Int(Int64(shifted).flooredQuotient(by: 146_097))
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    return digits(year, 4) + "-" + digits(month, 2) + "-" + digits(day, 2) + "T" + digits(rest / 3_600_000, 2) + ":"
      + digits(rest / 60_000 % 60, 2) + ":" + digits(rest / 1_000 % 60, 2) + "." + digits(rest % 1_000, 3) + "Z"
  }

  private func digits(_ value: Int, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
  }
}

extension Int64 {
  fileprivate func flooredQuotient(by divisor: Int64) -> Int64 {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
