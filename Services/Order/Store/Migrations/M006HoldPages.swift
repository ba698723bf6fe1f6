import Mongo
import OrderDomain

extension OrderMigrations {
  /// The sweeps go through orders that wait for money page by page, and need one order among approvals of the same
  /// millisecond.
  static let holdPages = Migration(
    id: "006_hold_pages", description: "Orders that wait for money, page by page",
    up: [FundsHold.requested, .unfunded].map { hold in
      .rebuildIndex(
        old: IndexSpec(
          Collections.orders, ["approvedAt": 1], name: "approvedAt_1_\(hold.rawValue)",
          partialFilter: ["fundsHold": .string(hold.rawValue)]),
        new: IndexSpec(
          Collections.orders, ["approvedAt": 1, "_id": 1], name: IndexNames.approvals(awaiting: hold),
          partialFilter: ["fundsHold": .string(hold.rawValue)]))
    })
}
