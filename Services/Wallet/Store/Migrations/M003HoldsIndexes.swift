import Mongo

extension WalletMigrations {
  static let holdsIndexes = indexes(
    "003_holds_indexes", "Holds by number, one open hold per order, and keys that are refused for ever",
    also: [Collections.writer],
    [
      // A hold number, open or closed.
      IndexSpec(Collections.holds, ["orderId": 1, "seq": 1], unique: true),
      // At most one open hold per order.
      IndexSpec(Collections.holds, ["orderId": 1], unique: true, partialFilter: ["open": true]),
      // What a brand's locked money is for.
      IndexSpec(Collections.holds, ["brandUserId": 1, "open": 1]),
      // Refusals that a delayed first attempt must meet.
      IndexSpec(Collections.voidedPostings, ["key": 1], unique: true),
    ])
}
