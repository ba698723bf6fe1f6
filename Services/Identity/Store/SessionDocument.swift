import IdentityDomain
import Kernel
import Mongo

extension Session {
  /// A new session: neither rotated nor revoked.
  var document: BSONDocument {
    [
      "_id": .id(id), "userId": .id(userID), "familyId": .id(familyID), "tokenHash": .string(tokenHash),
      "issuedAt": .datetime(issuedAt), "expiresAt": .datetime(expiresAt), "rotatedAt": .null, "revokedAt": .null,
      "revokedReason": .null, "ip": .optional(client.ip), "userAgent": .optional(client.userAgent),
      "createdAt": .datetime(issuedAt), "updatedAt": .datetime(issuedAt),
    ]
  }
}
