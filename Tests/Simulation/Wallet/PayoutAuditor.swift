import Kernel
import WalletDomain

/// Follows the payouts batch by batch, as `LedgerAuditor` does the rows (DOMAIN 4.6, invariants 6 and 8).
struct PayoutAuditor {
  private var payouts: [PayoutID: Payout] = [:]
  private var statuses: [PayoutID: [(batch: Int, status: PayoutStatus)]] = [:]

  private var requested: [PayoutID] = []
  private var requestKeys: Set<String> = []

  /// One of those that were requested, counted round and round.
  func payout(_ number: Int) -> PayoutID? {
    requested.isEmpty ? nil : requested[number % requested.count]
  }

  /// The smallest live record of an agency whose reference is wanted.
  func payout(recordedAs isWanted: (String) -> Bool) -> PayoutID? {
    payouts.values.filter {
      $0.status == .recorded && $0.deletedAt == nil && isWanted($0.providerRef ?? "")
    }
    .min { ($0.providerRef ?? "") < ($1.providerRef ?? "") }?.id
  }

  /// How the payout has stood from the batch on, the state that it had then included.
  func statuses(of payout: PayoutID, since batch: Int) -> [PayoutStatus] {
    let all = statuses[payout] ?? []
    let before = all.last { $0.batch <= batch }.map { [$0.status] } ?? []
    return before + all.filter { $0.batch > batch }.map(\.status)
  }

  /// What sits in the owner's locked bucket for payouts.
  func open(of beneficiary: UserID) -> Int64 {
    payouts.values.filter { $0.beneficiary == beneficiary && $0.status.isOpen }.reduce(0) {
      $0 + $1.amount.paise
    }
  }

  /// What the batch breaks. `isPosted` includes its own postings.
  mutating func examine(_ batch: LedgerBatch, number: Int, isPosted: (String) -> Bool) -> [String] {
    var problems: [String] = []
    for payout in batch.newPayouts {
      if payouts[payout.id] != nil { problems.append("payout \(payout.id) is made twice") }
      guard let key = payout.requestKey else { continue }
      requested.append(payout.id)
      if !requestKeys.insert(key).inserted { problems.append("\(key) made two payouts") }
    }
    for update in batch.updatedPayouts {
      let before = payouts[update.payout.id]
      if before?.version != update.versionBefore {
        problems.append("payout \(update.payout.id) skips a version")
      }
      if let before, !before.status.leads(to: update.payout) {
        problems.append("payout \(before.id) goes from \(before.status) to \(update.payout.status)")
      }
    }
    for payout in batch.newPayouts + batch.updatedPayouts.map(\.payout) {
      payouts[payout.id] = payout
      statuses[payout.id, default: []].append((number, payout.status))
      let posted = ["complete", "failed", "cancel"].filter { isPosted("payout_\($0):\(payout.id)") }
      if posted != payout.status.postings {
        problems.append("payout \(payout.id) is \(payout.status) and has the postings \(posted)")
      }
    }
    let references = payouts.values.filter { $0.deletedAt == nil }.compactMap(\.reference)
    if Set(references).count != references.count {
      problems.append("a provider's reference is used twice")
    }
    return problems
  }
}

extension PayoutStatus {
  /// The endings that stand in the ledger.
  fileprivate var postings: [String] {
    switch self {
    case .requested, .processing, .recorded: []
    case .paid: ["complete"]
    case .failed: ["failed"]
    case .canceled: ["cancel"]
    }
  }

  /// Several steps may share a batch.
  fileprivate func leads(to payout: Payout) -> Bool {
    switch self {
    case .requested: [.processing, .canceled, .paid, .failed].contains(payout.status)
    case .processing: [.paid, .failed].contains(payout.status)
    case .recorded: payout.status == .recorded && payout.deletedAt != nil
    case .paid, .failed, .canceled: false
    }
  }
}
