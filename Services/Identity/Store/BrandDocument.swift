import IdentityDomain
import Kernel
import Mongo

extension Brand {
  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), name: try document.string("name"), brandCode: try document.code("brandCode"),
      ownerUserID: try document.id("ownerUserId"),
      connectedAgencyCodes: try document.codes("connectedAgencyCodes"), status: try document.choice("status"))
  }

  func document(of user: User) -> BSONDocument {
    [
      "_id": .id(id), "name": .string(name), "brandCode": .string(brandCode.rawValue),
      "ownerUserId": .id(ownerUserID),
      "connectedAgencyCodes": .strings(connectedAgencyCodes.map(\.rawValue)),
      "status": .string(status.rawValue), "createdAt": .datetime(user.createdAt), "createdBy": .string(user.updatedBy),
      "updatedAt": .datetime(user.updatedAt), "updatedBy": .string(user.updatedBy), "deletedAt": .null,
      "deletedBy": .null,
    ]
  }
}
