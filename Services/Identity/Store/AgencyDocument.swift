import IdentityDomain
import Kernel
import Mongo

extension Agency {
  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), name: try document.string("name"), agencyCode: try document.code("agencyCode"),
      ownerUserID: try document.id("ownerUserId"), status: try document.choice("status"))
  }

  func document(of user: User) -> BSONDocument {
    [
      "_id": .id(id), "name": .string(name), "agencyCode": .string(agencyCode.rawValue),
      "ownerUserId": .id(ownerUserID), "status": .string(status.rawValue), "createdAt": .datetime(user.createdAt),
      "createdBy": .string(user.updatedBy), "updatedAt": .datetime(user.updatedAt),
      "updatedBy": .string(user.updatedBy), "deletedAt": .null, "deletedBy": .null,
    ]
  }
}
