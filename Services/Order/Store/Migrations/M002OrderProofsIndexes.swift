import Mongo

extension OrderMigrations {
  static let orderProofsIndexes = indexes(
    "002_order_proofs_indexes", "Proofs by order, and by picture",
    [
      // One proof; older versions stay as evidence.
      IndexSpec(Collections.orderProofs, ["orderId": 1, "type": 1, "version": 1], unique: true),
      // The same picture on another order.
      IndexSpec(Collections.orderProofs, ["sha256": 1]),
    ])
}
