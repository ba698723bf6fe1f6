import Mongo

extension OrderMigrations {
  static let orderProofs = Migration(
    id: "002_order_proofs_indexes", description: "Proofs by order, and by picture",
    up: [
      .createCollection(Collections.orderProofs),
      .createIndexes([
        // One proof; older versions stay as evidence.
        IndexSpec(Collections.orderProofs, ["orderId": 1, "type": 1, "version": 1], unique: true),
        // The same picture on another order.
        IndexSpec(Collections.orderProofs, ["sha256": 1]),
      ]),
    ])
}
