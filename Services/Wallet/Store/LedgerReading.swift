import Kernel
import Mongo
import WalletDomain

/// Reads everything that a batch looks at: a handful of queries, however many commands there are.
struct LedgerReading {
  /// Loads before a snapshot is asked for, which always shows one moment but waits for a majority at its end.
  static let attemptsMax = 3

  let needs: LedgerNeeds
  let now: Timestamp
  let connection: MongoConnection

  init(_ needs: LedgerNeeds, at now: Timestamp, _ connection: MongoConnection) {
    self.needs = needs
    self.now = now
    self.connection = connection
  }

  /// The books of one moment; nil when batches were committed during every attempt.
  ///
  /// The books change with the number of batches and never without, so queries between two equal readings of it belong
  /// together. That matters to answers that no commit follows, which would fail: a posting of which the wallet is
  /// missing, or a hold without the money that it locks.
  func settledLedger() throws -> Ledger? {
    var batches = try batchesCommitted()
    for _ in 1...Self.attemptsMax {
      let ledger = try ledger(after: batches)
      batches = try batchesCommitted()
      if batches == ledger.batchesCommitted { return ledger }
    }
    return nil
  }

  /// For a transaction, whose reads are of one moment anyway.
  func ledgerOfTransaction() throws -> Ledger {
    try ledger(after: try batchesCommitted())
  }

  private func batchesCommitted() throws -> Int64 {
    try connection.findOne(Collections.writer, WriterDocument.key)?.int64("batch") ?? 0
  }

  /// `batches` was read before the rest.
  private func ledger(after batches: Int64) throws -> Ledger {
    let holds = try holds()
    let postings = try postings()
    let payouts = try payouts()
    return Ledger(
      batchesCommitted: batches, wallets: try wallets(of: Self.owners(needs, holds, postings, payouts)), holds: holds,
      postings: postings, voided: try voided(), requests: try requests(), payouts: payouts)
  }

  func holds() throws -> [Hold] {
    guard !needs.orders.isEmpty else { return [] }
    return try connection.find(Collections.holds, ["orderId": ["$in": .ids(needs.orders)]]).map(HoldDocument.hold)
  }

  /// Whoever the loaded holds, settlements and payouts concern is loaded as well: commands name only their numbers.
  static func owners(
    _ needs: LedgerNeeds, _ holds: [Hold], _ postings: [KnownPosting], _ payouts: [Payout]
  ) -> Set<UserID> {
    var owners = needs.owners
    for terms in holds.filter(\.isOpen).compactMap(\.terms) {
      owners.formUnion([terms.owner, terms.buyer, terms.mediator])
    }
    for posting in postings where posting.settlement.map(needs.settlements.contains) == true {
      owners.formUnion(posting.fingerprint.orderParts?.parties ?? [])
    }
    owners.formUnion(payouts.lazy.filter { needs.payouts.contains($0.id) }.map(\.beneficiary))
    return owners
  }

  func wallets(of owners: Set<UserID>) throws -> [Wallet] {
    guard !owners.isEmpty else { return [] }
    return try connection.find(Collections.wallets, ["ownerUserId": ["$in": .ids(owners)], "deletedAt": .null])
      .map(WalletDocument.wallet)
  }

  /// First legs tell which postings exist; the other legs are read for those only, that is, for repeats.
  func postings() throws -> [KnownPosting] {
    let keys = needs.postings.union(try settlementKeys())
    guard !keys.isEmpty else { return [] }
    let first = try connection.find(
      Collections.transactions, ["idempotencyKey": ["$in": .strings(keys.map(\.firstRowKey))]]
    ).map(TransactionDocument.row)
    return try first.map { row in
      guard let fingerprint = row.fingerprint else {
        throw MongoFailure.malformedDocument("the first leg of a posting has no `fingerprint`")
      }
      let legs = try connection.find(Collections.transactions, TransactionDocument.legs(of: row.posting))
        .map(TransactionDocument.row)
      return KnownPosting(
        key: row.posting, fingerprint: Fingerprint(stored: fingerprint), rows: legs.sorted { $0.number < $1.number })
    }
  }

  /// A settlement's key depends on how many of its tries were refused, which only the ledger knows.
  private func settlementKeys() throws -> Set<PostingKey> {
    guard !needs.settlements.isEmpty else { return [] }
    let found = try connection.find(
      Collections.transactions,
      [
        "orderId": ["$in": .ids(Set(needs.settlements.map(\.order))), "$type": "objectId"],
        "type": .string(TransactionType.orderSettlementDebit.rawValue),
      ], projection: ["orderId": 1, "settlementSeq": 1, "postingId": 1])
    var keys: Set<PostingKey> = []
    for row in found {
      let number = SettlementNumber(order: try row.id("orderId"), seq: try row.int32("settlementSeq"))
      if needs.settlements.contains(number) { keys.insert(PostingKey(stored: try row.string("postingId"))) }
    }
    return keys
  }

  func voided() throws -> [VoidedPosting] {
    guard !needs.voidable.isEmpty else { return [] }
    return try connection.find(Collections.voidedPostings, ["key": ["$in": .strings(needs.voidable.map(\.text))]])
      .map(VoidedPostingDocument.voided)
  }
}
