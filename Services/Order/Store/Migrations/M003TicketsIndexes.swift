import Mongo

extension OrderMigrations {
  static let tickets = Migration(
    id: "003_tickets_indexes", description: "Tickets by state, person and order",
    up: [
      .createCollection(Collections.tickets),
      .createIndexes([
        IndexSpec(Collections.tickets, ["status": 1, "createdAt": -1]),
        // Own tickets.
        IndexSpec(Collections.tickets, ["userId": 1, "deletedAt": 1, "createdAt": -1]),
        // Whether an order is disputed.
        IndexSpec(Collections.tickets, ["orderId": 1, "status": 1]),
        // The list of staff.
        IndexSpec(Collections.tickets, ["deletedAt": 1, "createdAt": -1]),
      ]),
    ])
}
