import IdentityDomain
import Kernel
import Mongo

extension User {
  /// Refuses what it does not understand: a role or a status that is unknown here must not be guessed.
  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.id("_id"), name: try document.string("name"),
      username: try document.optionalString("username").map { try $0.parsed("username", as: { Username($0) }) },
      mobile: try document.string("mobile").parsed("mobile", as: { Mobile($0) }),
      email: try document.optionalString("email"), passwordHash: try document.string("passwordHash"),
      role: try document.choice("role"), roles: try document.choices("roles"), status: try document.choice("status"),
      suspensionSource: try document.choice("suspensionSource"),
      mediatorCode: try document.optionalCode("mediatorCode"), parentCode: try document.optionalCode("parentCode"),
      brandCode: try document.optionalCode("brandCode"),
      isVerifiedByMediator: try document.bool("isVerifiedByMediator"), kycStatus: try document.choice("kycStatus"),
      kycDocuments: try document.optionalDocument("kycDocuments").map { try KycDocuments($0) },
      upiID: try document.optionalString("upiId"),
      bankDetails: try document.optionalDocument("bankDetails").map { try BankDetails($0) },
      loginCounters: try LoginCounters(document), createdAt: try document.datetime("createdAt"),
      updatedAt: try document.datetime("updatedAt"), updatedBy: try document.string("updatedBy"))
  }

  /// The whole document, for a new user. Changes set single fields, so that fields of newer versions survive.
  var document: BSONDocument {
    [
      "_id": .id(id), "name": .string(name), "username": .optional(username?.rawValue),
      "mobile": .string(mobile.rawValue), "email": .optional(email), "passwordHash": .string(passwordHash),
      "role": .string(role.rawValue), "roles": .strings(roles.map(\.rawValue)),
      "status": .string(status.rawValue), "suspensionSource": .string(suspensionSource.rawValue),
      "mediatorCode": .optional(mediatorCode), "parentCode": .optional(parentCode),
      "brandCode": .optional(brandCode), "isVerifiedByMediator": .bool(isVerifiedByMediator),
      "kycStatus": .string(kycStatus.rawValue), "kycDocuments": .optional(kycDocuments?.document),
      "upiId": .optional(upiID), "bankDetails": .optional(bankDetails?.document),
      "failedLoginAttempts": .int64(Int64(loginCounters.failedAttempts)),
      "lockoutUntil": .optional(loginCounters.lockedUntil),
      "createdAt": .datetime(createdAt), "createdBy": .string(updatedBy), "updatedAt": .datetime(updatedAt),
      "updatedBy": .string(updatedBy), "deletedAt": .null, "deletedBy": .null,
    ]
  }
}

extension LoginCounters {
  init(_ document: BSONDocument) throws {
    self.init(
      failedAttempts: Int(try document.int64("failedLoginAttempts")),
      lockedUntil: try document.optionalDatetime("lockoutUntil"))
  }

  /// What a changed counter sets.
  var fields: BSONDocument {
    [
      "failedLoginAttempts": .int64(Int64(failedAttempts)),
      "lockoutUntil": .optional(lockedUntil),
    ]
  }
}

extension KycDocuments {
  fileprivate init(_ document: BSONDocument) throws {
    self.init(
      panCard: try document.optionalString("panCard"), aadhaar: try document.optionalString("aadhaar"),
      gst: try document.optionalString("gst"))
  }

  fileprivate var document: BSONDocument {
    ["panCard": .optional(panCard), "aadhaar": .optional(aadhaar), "gst": .optional(gst)]
  }
}

extension BankDetails {
  fileprivate init(_ document: BSONDocument) throws {
    self.init(
      accountNumber: try document.string("accountNumber"), ifsc: try document.string("ifsc"),
      bankName: try document.string("bankName"), holderName: try document.string("holderName"))
  }

  fileprivate var document: BSONDocument {
    [
      "accountNumber": .string(accountNumber), "ifsc": .string(ifsc), "bankName": .string(bankName),
      "holderName": .string(holderName),
    ]
  }
}
