import CampaignDomain
import Kernel
import Mongo

extension Deal {
  static let collection = "deals"

  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), campaignID: try document.id("campaignId"),
      mediatorCode: try document.code("mediatorCode"), listing: try Listing(document),
      description: try document.string("description"), category: try document.string("category"),
      rating: try document.int32("rating"), commission: try document.money("commissionPaise"),
      payout: try document.money("payoutPaise"),
      inactiveReasons: Set(try document.choices("inactiveReasons", InactiveReason.self)),
      deletedAt: try document.optionalDatetime("deletedAt"), createdAt: try document.datetime("createdAt"),
      updatedAt: try document.datetime("updatedAt"))
  }

  func document(createdBy creator: UserID?) -> BSONDocument {
    [
      "_id": .id(id), "campaignId": .id(campaignID), "mediatorCode": .string(mediatorCode.rawValue),
      "title": .string(listing.title), "image": .string(listing.image), "productUrl": .string(listing.productURL),
      "platform": .string(listing.platform), "brandName": .string(listing.brandName),
      "dealType": .string(listing.dealType.rawValue), "originalPricePaise": .money(listing.originalPrice),
      "pricePaise": .money(listing.price), "returnWindowDays": .int32(listing.returnWindowDays),
      "description": .string(description), "category": .string(category), "rating": .int32(rating),
      "commissionPaise": .money(commission), "payoutPaise": .money(payout),
      "inactiveReasons": .array(inactiveReasons.map(\.rawValue).sorted().map { .string($0) }),
      // Mirrors `inactiveReasons`, so that the product list needs one equality (DOMAIN 0.1).
      "active": .bool(isActive), "deletedAt": .optional(deletedAt), "deletedBy": .null,
      "createdBy": .optional(creator), "updatedBy": .optional(creator),
      "createdAt": .datetime(createdAt),
      "updatedAt": .datetime(updatedAt),
    ]
  }
}
