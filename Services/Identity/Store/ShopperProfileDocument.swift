import IdentityDomain
import Kernel
import Mongo

extension ShopperProfile {
  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), userID: try document.id("userId"),
      defaultMediatorCode: try document.optionalCode("defaultMediatorCode"))
  }

  func document(of user: User) -> BSONDocument {
    [
      "_id": .id(id), "userId": .id(userID), "defaultMediatorCode": .optional(defaultMediatorCode),
      "createdAt": .datetime(user.createdAt), "createdBy": .string(user.updatedBy),
      "updatedAt": .datetime(user.updatedAt), "updatedBy": .string(user.updatedBy), "deletedAt": .null,
      "deletedBy": .null,
    ]
  }
}
