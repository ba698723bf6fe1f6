import CampaignDomain
import Mongo

extension CampaignMigrations {
  /// Partial, so that a reservation costs no entry once its order is settled or has failed.
  static let heldReservations = Migration(
    id: "006_held_reservations", description: "Reservations that are held, page by page",
    up: [
      .createIndexes([
        IndexSpec(
          Reservation.collection, ["createdAt": 1, "_id": 1], name: Reservation.heldIndex,
          partialFilter: ["state": "held"])
      ])
    ])
}
