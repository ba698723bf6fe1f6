import IdentityDomain
import Kernel
import Mongo

extension Connection {
  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), brandUserID: try document.id("brandUserId"),
      brandCode: try document.code("brandCode"), agencyUserID: try document.id("agencyUserId"),
      agencyCode: try document.code("agencyCode"), agencyName: try document.string("agencyName"),
      status: try document.choice("status"), requestedAt: try document.datetime("requestedAt"),
      resolvedAt: try document.optionalDatetime("resolvedAt"), resolvedBy: try document.optionalString("resolvedBy"))
  }

  var document: BSONDocument {
    [
      "_id": .id(id), "brandUserId": .id(brandUserID), "brandCode": .string(brandCode.rawValue),
      "agencyUserId": .id(agencyUserID), "agencyCode": .string(agencyCode.rawValue),
      "agencyName": .string(agencyName), "status": .string(status.rawValue), "open": .bool(status.isOpen),
      "requestedAt": .datetime(requestedAt), "resolvedAt": .optional(resolvedAt),
      "resolvedBy": .optional(resolvedBy), "createdAt": .datetime(requestedAt),
      "updatedAt": .datetime(resolvedAt ?? requestedAt),
    ]
  }
}
