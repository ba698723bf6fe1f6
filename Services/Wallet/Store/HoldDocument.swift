import Kernel
import Mongo
import WalletDomain

/// `holds`: one document per hold number of an order, for ever. Amount 0 and no parties mean that the number was
/// closed before any hold arrived.
enum HoldDocument {
  static func document(_ hold: Hold) -> BSONDocument {
    var document: BSONDocument = [
      "orderId": .id(hold.number.order), "seq": .int32(hold.number.seq), "amountPaise": .money(hold.amount),
      "state": .string(hold.state.rawValue), "open": .bool(hold.isOpen), "createdAt": .datetime(hold.createdAt),
      "updatedAt": .datetime(hold.updatedAt),
    ]
    guard let terms = hold.terms else { return document }
    document.append("brandUserId", .id(terms.owner))
    document.append("walletId", .id(terms.walletID))
    document.append("buyerUserId", .id(terms.buyer))
    document.append("mediatorUserId", .id(terms.mediator))
    document.append("commissionPaise", .money(terms.commission))
    document.append("marginPaise", .money(terms.margin))
    return document
  }

  /// Counts only if the hold is still open.
  static func closing(_ hold: Hold) -> UpdateStatement {
    UpdateStatement(
      ["orderId": .id(hold.number.order), "seq": .int32(hold.number.seq), "open": true],
      [
        "$set": [
          "state": .string(hold.state.rawValue), "open": .bool(hold.isOpen), "updatedAt": .datetime(hold.updatedAt),
        ]
      ])
  }

  static func hold(_ document: BSONDocument) throws -> Hold {
    Hold(
      number: HoldNumber(order: try document.id("orderId"), seq: try document.int32("seq")),
      terms: try terms(document), state: try document.choice("state"), createdAt: try document.datetime("createdAt"),
      updatedAt: try document.datetime("updatedAt"))
  }

  private static func terms(_ document: BSONDocument) throws -> HoldTerms? {
    guard document.has("walletId") else { return nil }
    return HoldTerms(
      owner: try document.id("brandUserId"), walletID: try document.id("walletId"),
      buyer: try document.id("buyerUserId"), mediator: try document.id("mediatorUserId"),
      commission: try document.money("commissionPaise"), margin: try document.money("marginPaise"),
      amount: try document.money("amountPaise"))
  }
}
