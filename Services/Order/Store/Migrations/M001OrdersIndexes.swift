import Mongo

extension OrderMigrations {
  static let orders = Migration(
    id: "001_orders_indexes",
    description: "Orders by everybody who looks for them, and the two claims that must be unique",
    up: [
      .createCollection(Collections.orders),
      .createIndexes([
        // One live claim per shopper and deal.
        IndexSpec(
          Collections.orders, ["userId": 1, "dealId": 1], name: IndexNames.claim, unique: true,
          partialFilter: ["claimActive": true]),
        // One order per marketplace order, system-wide.
        IndexSpec(
          Collections.orders, ["externalOrderId": 1], name: IndexNames.externalOrderID, unique: true,
          partialFilter: ["deletedAt": .null, "externalOrderId": ["$type": "string"]]),
        // The shopper's orders.
        IndexSpec(Collections.orders, ["userId": 1, "createdAt": -1]),
        // The velocity window.
        IndexSpec(Collections.orders, ["userId": 1, "orderedAt": -1]),
        // Cross-account checks.
        IndexSpec(Collections.orders, ["buyerMobile": 1, "orderedAt": -1]),
        // The mediator's orders.
        IndexSpec(Collections.orders, ["mediatorCode": 1, "createdAt": -1]),
        // The review queue and its counts.
        IndexSpec(Collections.orders, ["mediatorCode": 1, "workflowStatus": 1, "createdAt": -1]),
        // The agency's orders.
        IndexSpec(Collections.orders, ["agencyCode": 1, "createdAt": -1]),
        // The brand's orders.
        IndexSpec(Collections.orders, ["brandUserId": 1, "createdAt": -1]),
        // The brand's dashboard.
        IndexSpec(Collections.orders, ["brandUserId": 1, "workflowStatus": 1, "createdAt": -1]),
        // Caps and statistics.
        IndexSpec(Collections.orders, ["campaignId": 1, "mediatorCode": 1, "affiliateStatus": 1]),
        // The financial list.
        IndexSpec(Collections.orders, ["affiliateStatus": 1, "createdAt": -1]),
        // Sweeps by state and age.
        IndexSpec(Collections.orders, ["workflowStatus": 1, "updatedAt": 1]),
        // The list of frozen orders.
        IndexSpec(Collections.orders, ["frozenAt": 1], partialFilter: ["frozen": true]),
        // The list of staff.
        IndexSpec(Collections.orders, ["deletedAt": 1, "createdAt": -1]),
      ]),
    ])
}
