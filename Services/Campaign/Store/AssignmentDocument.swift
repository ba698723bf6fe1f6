import CampaignDomain
import Kernel
import Mongo

extension Assignment {
  static let collection = "assignments"

  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), campaignID: try document.id("campaignId"), code: try document.code("code"),
      codeKind: try document.choice("codeKind", CodeKind.self), agencyCode: try document.code("agencyCode"),
      limit: try document.int64("limit"), usedSlots: try document.int64("usedSlots"),
      settledSlots: try document.int64("settledSlots"), payout: try document.optionalMoney("payoutPaise"),
      commission: try document.optionalMoney("commissionPaise"), isActive: try document.bool("active"),
      assignedBy: try document.id("assignedBy"), version: try document.int64("version"),
      createdAt: try document.datetime("createdAt"), updatedAt: try document.datetime("updatedAt"))
  }

  var document: BSONDocument {
    [
      "_id": .id(id), "campaignId": .id(campaignID), "code": .string(code.rawValue),
      "codeKind": .string(codeKind.rawValue), "agencyCode": .string(agencyCode.rawValue), "limit": .int64(limit),
      "usedSlots": .int64(usedSlots), "settledSlots": .int64(settledSlots),
      "payoutPaise": .optional(payout), "commissionPaise": .optional(commission),
      "active": .bool(isActive), "assignedBy": .id(assignedBy), "version": .int64(version),
      "createdAt": .datetime(createdAt), "updatedAt": .datetime(updatedAt),
    ]
  }

  /// What a slot change may touch.
  var slotUpdate: BSONDocument {
    [
      "$set": [
        "usedSlots": .int64(usedSlots), "settledSlots": .int64(settledSlots), "version": .int64(version),
        "updatedAt": .datetime(updatedAt),
      ]
    ]
  }
}
