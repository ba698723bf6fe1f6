import ArgumentParser
import Foundation
import Kernel
import Messages
import RPC
import Stubs

/// `mobo reconcile`: checks the whole books against their invariants, while wallet goes on working.
struct Reconcile: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Checks every wallet, posting, order and payout against the invariants of the books.",
    discussion: """
      Reads one moment of the ledger from end to end; nobody waits for it. Ends with 0 when the books are clean, with 1
      when something contradicts them, with 69 when wallet cannot be asked, and with 70 when it could not finish.
      """)

  @Flag(name: .long, help: "Print the report as JSON.")
  var json = false

  @Option(name: .long, help: "Folder with one <service>.json each.")
  var configuration = ".mobo/config"

  func run() async throws {
    let channel = try OperatorChannel.open(to: "wallet", configurationFolder: configuration)
    let report: WalletV1.ReconcileReport
    do {
      report = try await ask(channel)
      await channel.close()
    } catch {
      await channel.close()
      let failure = Failure.visible(error)
      Self.say("mobo: \(failure.code.rawValue): \(failure.message)")
      throw ExitCode(failure.kind == .unavailable ? 69 : 70)
    }
    print(json ? String(decoding: report.jsonBytes(), as: UTF8.self) : ReconcileText(report).text)
    if !report.clean { throw ExitCode(1) }
  }

  private func ask(_ channel: RPCChannel) async throws -> WalletV1.ReconcileReport {
    let isTerminal = isatty(STDERR_FILENO) == 1
    return try await WalletInternalServiceClient(channel).reconcileBooks(WalletV1.ReconcileBooksRequest()) { answers in
      for try await answer in answers {
        if let report = answer.report { return report }
        if isTerminal { Self.say("\(answer.transactionsChecked) rows checked") }
      }
      throw Failure(.internalError, "wallet ended without a report")
    }
  }

  private static func say(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
  }
}

/// A report as people read it.
struct ReconcileText {
  private static let titles: [Int32: String] = [
    1: "postings are balanced", 2: "balances are the sums of their rows", 3: "all money came in from outside",
    4: "no bucket is below zero", 5: "orders are settled at most once", 6: "locked money is kept for something",
    7: "pending money is promised", 8: "payouts match their rows", 9: "histories have no gap",
  ]

  let text: String

  init(_ report: WalletV1.ReconcileReport) {
    var lines = [
      "\(report.wallets) wallets, \(report.transactions) rows in \(report.postings) postings, \(report.holds) holds, "
        + "\(report.payouts) payouts"
    ]
    for result in report.invariants {
      let title = Self.titles[result.invariant] ?? "invariant \(result.invariant)"
      let outcome = result.findings == 0 ? "ok" : "\(result.findings) FOUND"
      lines.append("  \(result.invariant)  \(title): \(result.checked) checked, \(outcome)")
    }
    for finding in report.findings { lines.append(Self.line(finding)) }
    let total = report.invariants.reduce(0) { $0 + $1.findings }
    if total > report.findings.count { lines.append("… and \(total - Int64(report.findings.count)) more") }
    lines.append(report.clean ? "The books are clean." : "The books contradict themselves.")
    text = lines.joined(separator: "\n")
  }

  private static func line(_ finding: WalletV1.LedgerFinding) -> String {
    let names = [
      ("wallet", finding.walletId), ("owner", finding.ownerUserId), ("row", finding.transactionId),
      ("posting", finding.postingId), ("order", finding.orderId), ("payout", finding.payoutId),
      ("expected", finding.expectedPaise.map { String($0) }), ("is", finding.actualPaise.map { String($0) }),
    ].compactMap { name, value in value.map { "\(name) \($0)" } }
    return "[\(finding.invariant)] \(finding.message): \(names.joined(separator: ", "))"
  }
}
