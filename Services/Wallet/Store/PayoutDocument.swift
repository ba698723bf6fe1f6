import Kernel
import Mongo
import WalletDomain

/// `payouts`: one document per payout, for ever; deleted records stay with their time of deletion.
enum PayoutDocument {
  static func document(_ payout: Payout) -> BSONDocument {
    var document: BSONDocument = [
      "_id": .id(payout.id), "beneficiaryUserId": .id(payout.beneficiary),
      "beneficiaryKind": .string(payout.beneficiaryKind.rawValue), "walletId": .id(payout.walletID),
      "amountPaise": .money(payout.amount), "currency": "INR", "status": .string(payout.status.rawValue),
      "requestedAt": .datetime(payout.requestedAt), "createdBy": .string(payout.createdBy),
      "createdAt": .datetime(payout.requestedAt),
    ]
    // Absent rather than null: the unique indexes hold texts only.
    document.appendIfPresent("agencyCode", payout.agencyCode.map { .string($0.rawValue) })
    document.appendIfPresent("requestKey", payout.requestKey.map { .string($0) })
    document.appendIfPresent("destination", payout.destination.map { .document(destination($0)) })
    document.append(contentsOf: changing(payout))
    return document
  }

  /// Counts only if nobody has changed the payout since it was read.
  static func update(_ update: LedgerBatch.PayoutUpdate) -> UpdateStatement {
    UpdateStatement(
      ["_id": .id(update.payout.id), "version": .int64(update.versionBefore), "deletedAt": .null],
      ["$set": .document(changing(update.payout).appending("status", .string(update.payout.status.rawValue)))])
  }

  private static func changing(_ payout: Payout) -> BSONDocument {
    var fields: BSONDocument = [
      "processedAt": .optional(payout.processedAt), "version": .int64(payout.version),
      "deletedAt": .optional(payout.deletedAt), "deletedBy": .optional(payout.deletedAt.map { _ in payout.updatedBy }),
      "updatedBy": .string(payout.updatedBy), "updatedAt": .datetime(payout.updatedAt),
    ]
    fields.appendIfPresent("provider", payout.provider.map { .string($0) })
    fields.appendIfPresent("providerRef", payout.providerRef.map { .string($0) })
    fields.appendIfPresent("failureCode", payout.failureCode.map { .string($0) })
    fields.appendIfPresent("failureMessage", payout.failureMessage.map { .string($0) })
    return fields
  }

  static func payout(_ document: BSONDocument) throws -> Payout {
    Payout(
      id: try document.id("_id"), beneficiary: try document.id("beneficiaryUserId"),
      beneficiaryKind: try document.choice("beneficiaryKind"),
      agencyCode: try document.optionalString("agencyCode").flatMap { PartyCode($0) },
      walletID: try document.id("walletId"), amount: try document.money("amountPaise"),
      status: try document.choice("status"), provider: try document.optionalString("provider"),
      providerRef: try document.optionalString("providerRef"),
      destination: try document.optionalDocument("destination").map(destination),
      failureCode: try document.optionalString("failureCode"),
      failureMessage: try document.optionalString("failureMessage"),
      requestKey: try document.optionalString("requestKey"), requestedAt: try document.datetime("requestedAt"),
      processedAt: try document.optionalDatetime("processedAt"), version: try document.int64("version"),
      updatedAt: try document.datetime("updatedAt"), createdBy: try document.string("createdBy"),
      updatedBy: try document.string("updatedBy"), deletedAt: try document.optionalDatetime("deletedAt"))
  }

  private static func destination(_ destination: PayoutDestination) -> BSONDocument {
    switch destination {
    case .upi(let id): ["upiId": .string(id)]
    case .bank(let bank):
      [
        "bank": [
          "accountNumber": .string(bank.maskedNumber), "ifsc": .string(bank.ifsc), "bankName": .string(bank.bankName),
          "holderName": .string(bank.holderName),
        ]
      ]
    }
  }

  private static func destination(_ document: BSONDocument) throws -> PayoutDestination {
    if let id = try document.optionalString("upiId") { return .upi(id) }
    let bank = try document.document("bank")
    return .bank(
      .init(
        maskedNumber: try bank.string("accountNumber"), ifsc: try bank.string("ifsc"),
        bankName: try bank.string("bankName"), holderName: try bank.string("holderName")))
  }
}
