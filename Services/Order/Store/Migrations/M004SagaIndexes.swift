import Mongo

extension OrderMigrations {
  /// Partial, so that an order costs no entry once nobody waits for it.
  static let sagas = Migration(
    id: "004_saga_indexes", description: "Orders that the reconciler has to look at",
    up: [
      .createIndexes([
        // Sagas that nobody has touched for a while.
        IndexSpec(
          Collections.orders, ["pendingSaga.touchedAt": 1],
          partialFilter: ["pendingSaga.touchedAt": ["$exists": true]]),
        // A shopper's orders that wait for a slot: part of the velocity window, and the repeat of a creation.
        IndexSpec(
          Collections.orders, ["userId": 1, "pendingSaga.kind": 1],
          partialFilter: ["pendingSaga.kind": ["$exists": true]]),
        // Holds that wallet has not answered, and holds that the owner could not pay, oldest approval first.
        IndexSpec(
          Collections.orders, ["approvedAt": 1], name: "approvedAt_1_requested",
          partialFilter: ["fundsHold": "requested"]),
        IndexSpec(
          Collections.orders, ["approvedAt": 1], name: "approvedAt_1_unfunded",
          partialFilter: ["fundsHold": "unfunded"]),
        // Orders given up whose slot may have been reserved too late.
        IndexSpec(
          Collections.orders, ["slotCheckDueAt": 1],
          partialFilter: ["slotCheckDueAt": ["$gt": .datetime(LateReservations.beginning)]]),
      ])
    ])
}
