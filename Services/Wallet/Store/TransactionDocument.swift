import Kernel
import Mongo
import WalletDomain

/// `transactions`: the rows of the ledger. What does not apply to a row is absent, not null.
enum TransactionDocument {
  static func document(_ row: LedgerRow) -> BSONDocument {
    let leg = row.leg
    var document: BSONDocument = [
      "_id": .id(row.id), "idempotencyKey": .string(row.idempotencyKey), "postingId": .string(row.posting.text),
      "type": .string(leg.type.rawValue), "status": .string(row.status.rawValue),
    ]
    document.appendIfPresent("fingerprint", row.fingerprint.map { .string($0) })
    switch row.account {
    case .external:
      document.append("account", "external")
    case .wallet(let entry):
      document.append("account", "wallet")
      document.append("walletId", .id(entry.walletID))
      document.append("ownerUserId", .id(entry.owner))
      document.append("bucket", .string(entry.bucket.rawValue))
      document.appendIfPresent("balanceAfterPaise", entry.balanceAfter.map { .money($0) })
      document.appendIfPresent("walletVersionAfter", entry.versionAfter.map { .int64($0) })
    }
    document.append("direction", .string(leg.direction.rawValue))
    document.append("amountPaise", .money(leg.amount))
    document.append("memo", .bool(leg.isMemo))
    append(leg.links, to: &document)
    if !leg.metadata.isEmpty {
      let fields = leg.metadata.sorted { $0.key < $1.key }.map { ($0.key, BSONValue.string($0.value)) }
      document.append("metadata", .document(BSONDocument(fields)))
    }
    document.append("createdAt", .datetime(row.createdAt))
    document.append("updatedAt", .datetime(row.createdAt))
    return document
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

  private static func append(_ links: Leg.Links, to document: inout BSONDocument) {
    document.appendIfPresent("orderId", links.order.map { .id($0) })
    document.appendIfPresent("campaignId", links.campaign.map { .id($0) })
    document.appendIfPresent("payoutId", links.payout.map { .id($0) })
    document.appendIfPresent("fromUserId", links.from.map { .id($0) })
    document.appendIfPresent("toUserId", links.to.map { .id($0) })
    document.appendIfPresent("settlementSeq", links.settlementSeq.map { .int32($0) })
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
