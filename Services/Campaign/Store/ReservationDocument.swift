import CampaignDomain
import Kernel
import Mongo

extension Reservation {
  static let collection = "slot_reservations"
  static let heldIndex = "createdAt_1__id_1_held"

  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), orderID: try document.id("orderId"), campaignID: try document.id("campaignId"),
      mediatorCode: try document.code("mediatorCode"), agencyCode: try document.code("agencyCode"),
      state: try document.choice("state", State.self), releasedReason: try document.optionalString("releasedReason"),
      // Absent in documents of the time before steps carried versions.
      orderVersion: try document.optionalInt64("orderVersion") ?? 0, createdAt: try document.datetime("createdAt"),
      updatedAt: try document.datetime("updatedAt"))
  }

  var document: BSONDocument {
    [
      "_id": .id(id), "orderId": .id(orderID), "campaignId": .id(campaignID),
      "mediatorCode": .string(mediatorCode.rawValue), "agencyCode": .string(agencyCode.rawValue),
      "state": .string(state.rawValue), "releasedReason": .optional(releasedReason),
      "orderVersion": .int64(orderVersion), "createdAt": .datetime(createdAt), "updatedAt": .datetime(updatedAt),
    ]
  }

  var stateUpdate: BSONDocument {
    [
      "$set": [
        "state": .string(state.rawValue), "releasedReason": .optional(releasedReason),
        "orderVersion": .int64(orderVersion), "updatedAt": .datetime(updatedAt),
      ]
    ]
  }
}
