import Kernel

/// The ledger as a CSV file (DOMAIN 5.7): UTF-8 with BOM, RFC 4180, CRLF; times in UTC, amounts in rupees.
public struct LedgerCSV: Sendable {
  private static let columns = [
    "Transaction ID", "Date", "Time", "Type", "Direction", "Bucket", "Amount (INR)", "Counterparty", "Order ID",
    "Reference", "Status",
  ]

  public private(set) var bytes: [UInt8]
  /// Without the head.
  public private(set) var rows = 0

  public init() {
    bytes = [0xEF, 0xBB, 0xBF]
    append(Self.columns)
  }

  public mutating func append(_ row: LedgerRow) {
    let leg = row.leg
    let (date, time) = CivilTime(row.createdAt).texts
    append([
      row.id.rawValue, date, time, leg.type.rawValue, leg.direction.rawValue,
      row.walletEntry?.bucket.rawValue ?? "", leg.amount.rupees, Self.counterparty(of: row),
      leg.links.order?.rawValue ?? "", leg.metadata["ref"] ?? leg.metadata["providerRef"] ?? "", row.status.rawValue,
    ])
    rows += 1
  }

  /// Whoever is at the other end, by name where the row knows it, else by id.
  private static func counterparty(of row: LedgerRow) -> String {
    let (links, metadata) = (row.leg.links, row.leg.metadata)
    switch row.leg.type {
    case .agencyPayout: return metadata["agencyName"] ?? links.to?.rawValue ?? ""
    case .agencyReceipt: return metadata["brandName"] ?? links.from?.rawValue ?? ""
    default:
      let others = [links.from, links.to].compactMap { $0 }.filter { $0 != row.walletEntry?.owner }
      return others.first?.rawValue ?? ""
    }
  }

  private mutating func append(_ cells: [String]) {
    bytes.append(contentsOf: cells.map(Self.cell).joined(separator: ",").utf8)
    bytes.append(contentsOf: [0x0D, 0x0A])
  }

  /// Spreadsheets take some beginnings for a formula: an apostrophe in front makes them text.
  static func cell(_ text: String) -> String {
    let formulas: Set<UInt8> = [0x3D, 0x2B, 0x2D, 0x40, 0x09, 0x0D]  // = + - @ tab CR
    let safe = text.utf8.first.map(formulas.contains) == true ? "'" + text : text
    guard safe.utf8.contains(where: { $0 == 0x22 || $0 == 0x2C || $0 == 0x0D || $0 == 0x0A }) else { return safe }
    return "\"" + safe.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}

extension Money {
  /// Rupees with exactly two decimals, for people.
  var rupees: String {
    let (whole, rest) = paise.magnitude.quotientAndRemainder(dividingBy: 100)
    return "\(paise < 0 ? "-" : "")\(whole).\(rest < 10 ? "0" : "")\(rest)"
  }
}

/// Date and time of day in UTC (proleptic Gregorian calendar).
struct CivilTime {
  /// `2026-01-31` and `23:59:59`.
  let texts: (date: String, time: String)

  init(_ timestamp: Timestamp) {
    let seconds = Self.floor(timestamp.milliseconds, 1_000)
    let day = Self.floor(seconds, 86_400)
    let second = seconds - day * 86_400
    // Counted from 1 March of year 0, so that the leap day is the last of its year; 146 097 days make 400 years.
    let shifted = day + 719_468
    let era = Self.floor(shifted, 146_097)
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let march = (5 * dayOfYear + 2) / 153
    let month = march < 10 ? march + 3 : march - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    let dayOfMonth = dayOfYear - (153 * march + 2) / 5 + 1
    texts = (
      "\(Self.padded(year, 4))-\(Self.padded(month, 2))-\(Self.padded(dayOfMonth, 2))",
      "\(Self.padded(second / 3_600, 2)):\(Self.padded(second / 60 % 60, 2)):\(Self.padded(second % 60, 2))"
    )
  }

  private static func floor(_ value: Int64, _ divisor: Int64) -> Int64 {
    let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
    return remainder < 0 ? quotient - 1 : quotient
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let text = String(number)
    return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
  }
}
