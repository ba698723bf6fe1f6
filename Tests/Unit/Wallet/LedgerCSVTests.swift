import Kernel
import Testing

@testable import WalletDomain

@Suite("Ledger as CSV")
struct LedgerCSVTests {
  @Test(
    "cells that a spreadsheet would take for a formula are text, and quotes are doubled",
    arguments: [
      ("plain", "plain"), ("=1+1", "'=1+1"), ("+91", "'+91"), ("-5", "'-5"), ("@sum", "'@sum"), ("\tx", "'\tx"),
      ("\rx", "\"'\rx\""), ("a,b", "\"a,b\""), ("say \"hi\"", "\"say \"\"hi\"\"\""), ("two\nlines", "\"two\nlines\""),
      ("", ""), ("a=b", "a=b"), ("=a,\"b\"", "\"'=a,\"\"b\"\"\""),
    ])
  func cells(text: String, expected: String) {
    #expect(LedgerCSV.cell(text) == expected)
  }

  @Test(
    "paise are rupees with two decimals",
    arguments: [
      (0, "0.00"), (1, "0.01"), (99, "0.99"), (100, "1.00"), (123_456, "1234.56"), (-5, "-0.05"),
      (.max, "92233720368547758.07"), (.min, "-92233720368547758.08"),
    ] as [(Int64, String)])
  func rupees(paise: Int64, expected: String) {
    #expect(Money(paise: paise).rupees == expected)
  }

  @Test(
    "times are UTC",
    arguments: [
      (0, "1970-01-01", "00:00:00"), (-1, "1969-12-31", "23:59:59"), (951_782_400_000, "2000-02-29", "00:00:00"),
      (1_700_000_000_123, "2023-11-14", "22:13:20"), (4_107_542_399_999, "2100-02-28", "23:59:59"),
      (4_107_542_400_000, "2100-03-01", "00:00:00"),
    ] as [(Int64, String, String)])
  func times(milliseconds: Int64, date: String, time: String) {
    let texts = CivilTime(Timestamp(milliseconds: milliseconds)).texts
    #expect(texts.date == date && texts.time == time)
  }

  @Test("a file has a BOM, a head and one line per row, each ended by CRLF")
  func file() async throws {
    let harness = WalletHarness()
    try await harness.deposit(1_250, ref: "=UTR,1")
    var csv = LedgerCSV()
    for row in harness.ledger.books.rows.sorted(by: { $0.number < $1.number }) { csv.append(row) }
    #expect(Array(csv.bytes.prefix(3)) == [0xEF, 0xBB, 0xBF])
    let lines = String(decoding: csv.bytes.dropFirst(3), as: UTF8.self).split(separator: "\r\n")
    #expect(lines.count == 3 && csv.rows == 2)
    #expect(
      lines[0] == "Transaction ID,Date,Time,Type,Direction,Bucket,Amount (INR),Counterparty,Order ID,Reference,Status")
    #expect(lines[2].hasSuffix(",2023-11-14,22:13:20,brand_deposit,credit,available,12.50,,,\"'=UTR,1\",completed"))
  }
}
