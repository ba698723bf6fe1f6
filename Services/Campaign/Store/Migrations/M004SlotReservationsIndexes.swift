import CampaignDomain
import Mongo

extension CampaignMigrations {
  static let slotReservationsIndexes = indexes(
    "004_slot_reservations_indexes", "One reservation per order, and the ways to check them",
    of: Reservation.collection,
    [
      // Reserving and releasing are idempotent by order.
      IndexSpec(Reservation.collection, ["orderId": 1], unique: true),
      // Reconciliation of the counters.
      IndexSpec(Reservation.collection, ["campaignId": 1, "state": 1]),
      // The sweep of reservations that no order owns.
      IndexSpec(Reservation.collection, ["state": 1, "createdAt": 1]),
    ])
}
