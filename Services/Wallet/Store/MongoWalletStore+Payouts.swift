public import Kernel
import Mongo
public import WalletDomain

extension MongoWalletStore {
  public func payout(_ id: PayoutID) async throws -> Payout? {
    try await database.run {
      try $0.findOne(Collections.payouts, ["_id": .id(id), "deletedAt": .null]).map(PayoutDocument.payout)
    }
  }

  public func payouts(_ filter: PayoutFilter, _ page: PageRequest) async throws -> Page<Payout> {
    var query: BSONDocument = ["deletedAt": .null]
    query.appendIfPresent("beneficiaryUserId", filter.beneficiary.map { .id($0) })
    if let network = filter.network {
      query.append("agencyCode", ["$eq": .string(network.rawValue), "$type": "string"])
      query.append("beneficiaryKind", ["$in": .strings([OwnerKind.agency, .mediator].map(\.rawValue))])
    }
    query.appendIfPresent("status", filter.status.map { .string($0.rawValue) })
    query.appendIfPresent("requestedAt", Self.span(from: filter.from, to: filter.to))
    let matching = query
    return try await database.run { try DatedPage.payouts.page(matching, page, $0) }
  }

  public func agencyPayments(of brand: UserID, _ page: PageRequest) async throws -> Page<LedgerRow> {
    let matching: BSONDocument = [
      "fromUserId": .id(brand), "type": .string(TransactionType.agencyPayout.rawValue),
    ]
    return try await database.run { try DatedPage.transactions.page(matching, page, $0) }
  }
}
