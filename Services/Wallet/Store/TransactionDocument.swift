import Kernel
import Mongo
import WalletDomain

/// `transactions`: the rows of the ledger. What does not apply to a row is absent, not null.
enum TransactionDocument {
  static func document(_ row: LedgerRow) -> BSONDocument {
    BSONDocument(capacity: 768) { append(row, to: &$0) }
  }

  private static func append(_ row: LedgerRow, to document: inout BSONWriter) {
    let leg = row.leg
    document.append("_id", row.id)
    document.append("idempotencyKey", row.idempotencyKey)
    document.append("postingId", row.posting.text)
    document.append("type", leg.type.rawValue)
    document.append("status", row.status.rawValue)
    if let fingerprint = row.fingerprint { document.append("fingerprint", fingerprint) }
    switch row.account {
    case .external:
      document.append("account", "external")
    case .wallet(let entry):
      document.append("account", "wallet")
      document.append("walletId", entry.walletID)
      document.append("ownerUserId", entry.owner)
      document.append("bucket", entry.bucket.rawValue)
      if let balance = entry.balanceAfter { document.append("balanceAfterPaise", balance) }
      if let available = entry.availableAfter { document.append("availableAfterPaise", available) }
      if let version = entry.versionAfter { document.append("walletVersionAfter", version) }
    }
    document.append("direction", leg.direction.rawValue)
    document.append("amountPaise", leg.amount)
    document.append("memo", leg.isMemo)
    append(leg.links, to: &document)
    if !leg.metadata.isEmpty {
      let fields = leg.metadata.sorted { $0.key < $1.key }.map { ($0.key, BSONValue.string($0.value)) }
      document.append("metadata", BSONDocument(fields))
    }
    document.append("createdAt", row.createdAt)
    document.append("updatedAt", row.createdAt)
  }

  /// All rows of the posting, as one range of the index of keys; counts only those that stand.
  static func reversing(_ posting: PostingKey, at now: Timestamp) -> UpdateStatement {
    UpdateStatement(
      legs(of: posting).appending("status", .string(TransactionStatus.completed.rawValue)),
      ["$set": ["status": .string(TransactionStatus.reversed.rawValue), "updatedAt": .datetime(now)]], multi: true)
  }

  /// `$` follows `#`: the range holds the keys that continue the posting's. A reference with a `#` of its own may fall
  /// into it, so the posting is named as well.
  static func legs(of posting: PostingKey) -> BSONDocument {
    [
      "idempotencyKey": ["$gt": .string("\(posting.text)#"), "$lt": .string("\(posting.text)$")],
      "postingId": .string(posting.text),
    ]
  }

  static func row(_ document: BSONDocument) throws -> LedgerRow {
    let posting = PostingKey(stored: try document.string("postingId"))
    // In bytes: a reference may end in a character that makes one with the `#` behind it.
    let key = try document.string("idempotencyKey").utf8
    let stem = "\(posting.text)#".utf8
    guard key.starts(with: stem), let number = Int(Substring(key.dropFirst(stem.count))), number > 0 else {
      throw MongoFailure.malformedDocument("`idempotencyKey` does not continue `postingId`")
    }
    let account = try account(document)
    let place: Leg.Place =
      switch account {
      case .external: .external
      case .wallet(let entry): .bucket(entry.bucket, of: entry.owner)
      }
    let leg = Leg(
      try document.choice("direction"), try document.money("amountPaise"), place, as: try document.choice("type"),
      links: try links(document), metadata: try metadata(document), isRecord: try document.bool("memo"))
    return LedgerRow(
      id: try document.id("_id"), posting: posting, number: number,
      fingerprint: try document.optionalString("fingerprint"), account: account,
      status: try document.choice("status"), leg: leg, createdAt: try document.datetime("createdAt"))
  }

  private static func append(_ links: Leg.Links, to document: inout BSONWriter) {
    if let order = links.order { document.append("orderId", order) }
    if let campaign = links.campaign { document.append("campaignId", campaign) }
    if let payout = links.payout { document.append("payoutId", payout) }
    if let from = links.from { document.append("fromUserId", from) }
    if let to = links.to { document.append("toUserId", to) }
    if let seq = links.settlementSeq { document.append("settlementSeq", seq) }
  }

  private static func links(_ document: BSONDocument) throws -> Leg.Links {
    Leg.Links(
      order: try document.optionalID("orderId"), campaign: try document.optionalID("campaignId"),
      payout: try document.optionalID("payoutId"), from: try document.optionalID("fromUserId"),
      to: try document.optionalID("toUserId"), settlementSeq: try document.optionalInt32("settlementSeq"))
  }

  private static func account(_ document: BSONDocument) throws -> LedgerRow.Account {
    switch try document.string("account") {
    case "external": return .external
    case "wallet":
      return .wallet(
        .init(
          walletID: try document.id("walletId"), owner: try document.id("ownerUserId"),
          bucket: try document.choice("bucket"), balanceAfter: try document.optionalMoney("balanceAfterPaise"),
          availableAfter: try document.optionalMoney("availableAfterPaise"),
          versionAfter: try document.optionalInt64("walletVersionAfter")))
    default: throw MongoFailure.malformedDocument("`account` has a value that is not known here")
    }
  }

  private static func metadata(_ document: BSONDocument) throws -> [String: String] {
    guard let stored = try document.optionalDocument("metadata") else { return [:] }
    var metadata: [String: String] = [:]
    for (key, _) in try stored.fields() { metadata[key] = try stored.string(key) }
    return metadata
  }
}
