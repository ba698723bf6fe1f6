import IdentityDomain
import Kernel
import Mongo

extension MediatorProfile {
  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), userID: try document.id("userId"), mediatorCode: try document.code("mediatorCode"),
      parentAgencyCode: try document.optionalCode("parentAgencyCode"), status: try document.choice("status"))
  }

  func document(of user: User) -> BSONDocument {
    [
      "_id": .id(id), "userId": .id(userID), "mediatorCode": .string(mediatorCode.rawValue),
      "parentAgencyCode": .optional(parentAgencyCode), "status": .string(status.rawValue),
      "createdAt": .datetime(user.createdAt), "createdBy": .string(user.updatedBy),
      "updatedAt": .datetime(user.updatedAt), "updatedBy": .string(user.updatedBy), "deletedAt": .null,
      "deletedBy": .null,
    ]
  }
}
