import Mongo

extension WalletMigrations {
  /// Index entries are most of what a posting costs: links that a row does not have make none.
  static let transactionsIndexes = indexes(
    "002_transactions_indexes", "Ledger rows by key, wallet, order, payout, campaign and agency",
    [
      // Replays, and the legs of a posting as one range.
      IndexSpec(Collections.transactions, ["idempotencyKey": 1], unique: true),
      // Statements.
      IndexSpec(Collections.transactions, ["walletId": 1, "createdAt": -1]),
      // The list of staff.
      IndexSpec(Collections.transactions, ["status": 1, "type": 1, "createdAt": -1]),
      // An order's rows.
      IndexSpec(Collections.transactions, ["orderId": 1, "createdAt": 1], partialFilter: linked("orderId")),
      // A payout's rows.
      IndexSpec(Collections.transactions, ["payoutId": 1], partialFilter: linked("payoutId")),
      // A campaign's spending.
      IndexSpec(Collections.transactions, ["campaignId": 1, "createdAt": -1], partialFilter: linked("campaignId")),
      // A brand's payments to agencies.
      IndexSpec(
        Collections.transactions, ["fromUserId": 1, "createdAt": -1], partialFilter: ["type": "agency_payout"]),
      // An agency's receipts.
      IndexSpec(
        Collections.transactions, ["toUserId": 1, "createdAt": -1], partialFilter: ["type": "agency_receipt"]),
    ])

  private static func linked(_ field: String) -> BSONDocument {
    BSONDocument([(field, .document(["$type": "objectId"]))])
  }
}
