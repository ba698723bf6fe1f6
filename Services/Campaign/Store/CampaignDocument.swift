import CampaignDomain
import Kernel
import Mongo

extension Campaign {
  static let collection = "campaigns"

  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), listing: try Listing(document),
      owner: CampaignOwner(
        userID: try document.id("brandUserId"), kind: try document.choice("ownerKind", OwnerKind.self)),
      payout: try document.money("payoutPaise"), totalSlots: try document.int64("totalSlots"),
      usedSlots: try document.int64("usedSlots"), assignedSlots: try document.int64("assignedSlots"),
      status: try document.choice("status", CampaignStatus.self),
      allowedAgencyCodes: try document.codes("allowedAgencyCodes"), lock: try Self.lock(document),
      hasOrders: try document.bool("hasOrders"), version: try document.int64("version"),
      deletedAt: try document.optionalDatetime("deletedAt"), createdAt: try document.datetime("createdAt"),
      updatedAt: try document.datetime("updatedAt"))
  }

  /// Written once, when the campaign is created; later changes set single fields.
  func document(createdBy creator: UserID) -> BSONDocument {
    [
      "_id": .id(id), "title": .string(listing.title), "brandUserId": .id(owner.userID),
      "ownerKind": .string(owner.kind.rawValue), "brandName": .string(listing.brandName),
      "platform": .string(listing.platform), "image": .string(listing.image),
      "productUrl": .string(listing.productURL), "pricePaise": .money(listing.price),
      "originalPricePaise": .money(listing.originalPrice), "payoutPaise": .money(payout),
      "dealType": .string(listing.dealType.rawValue), "returnWindowDays": .int32(listing.returnWindowDays),
      "totalSlots": .int64(totalSlots), "usedSlots": .int64(usedSlots), "assignedSlots": .int64(assignedSlots),
      "status": .string(status.rawValue),
      "allowedAgencyCodes": .array(allowedAgencyCodes.map { .string($0.rawValue) }),
      "locked": .bool(lock != nil), "lockedAt": .optional(lock?.at),
      "lockedReason": .optional(lock?.reason.rawValue), "hasOrders": .bool(hasOrders),
      "version": .int64(version), "deletedAt": .optional(deletedAt), "deletedBy": .null,
      "createdBy": .id(creator), "updatedBy": .id(creator), "createdAt": .datetime(createdAt),
      "updatedAt": .datetime(updatedAt),
    ]
  }

  /// What a slot change may touch; terms, status and assignments stay as they are.
  var slotUpdate: BSONDocument {
    [
      "$set": [
        "usedSlots": .int64(usedSlots), "hasOrders": .bool(hasOrders), "locked": .bool(lock != nil),
        "lockedAt": .optional(lock?.at),
        "lockedReason": .optional(lock?.reason.rawValue), "version": .int64(version),
        "updatedAt": .datetime(updatedAt),
      ]
    ]
  }

  private static func lock(_ document: BSONDocument) throws -> CampaignLock? {
    guard try document.bool("locked") else { return nil }
    return CampaignLock(
      reason: try document.choice("lockedReason", CampaignLock.Reason.self), at: try document.datetime("lockedAt"))
  }
}

extension Listing {
  /// Campaigns and deals spell these fields alike.
  init(_ document: BSONDocument) throws {
    self.init(
      title: try document.string("title"), image: try document.string("image"),
      productURL: try document.string("productUrl"), platform: try document.string("platform"),
      brandName: try document.string("brandName"), dealType: try document.choice("dealType", DealType.self),
      originalPrice: try document.money("originalPricePaise"), price: try document.money("pricePaise"),
      returnWindowDays: try document.int32("returnWindowDays"))
  }
}
