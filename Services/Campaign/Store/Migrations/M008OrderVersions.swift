import CampaignDomain
import Mongo

extension CampaignMigrations {
  /// Reservations of the time before an order's steps carried its version: 0 is older than any step.
  static let orderVersions = Migration(
    id: "008_order_versions", description: "Every reservation says which version of its order it follows",
    up: [
      .backfill(
        Backfill(
          Reservation.collection, where: ["orderVersion": ["$exists": false]],
          change: [["$set": ["orderVersion": 0]]]))
    ])
}
