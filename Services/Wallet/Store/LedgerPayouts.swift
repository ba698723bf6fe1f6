import Kernel
import Mongo
import WalletDomain

extension LedgerReading {
  /// Every payout that a command of the batch names or could collide with; each of the queries has an index.
  func payouts() throws -> [Payout] {
    var filters: [BSONDocument] = []
    if !needs.payouts.isEmpty { filters.append(["_id": ["$in": .ids(needs.payouts)], "deletedAt": .null]) }
    if !needs.payoutRequests.isEmpty {
      filters.append(["requestKey": ["$in": .strings(needs.payoutRequests), "$type": "string"]])
    }
    for (provider, references) in Dictionary(grouping: needs.references, by: \.provider) {
      filters.append([
        "provider": ["$eq": .string(provider), "$type": "string"],
        "providerRef": ["$in": .strings(references.map(\.ref)), "$type": "string"], "deletedAt": .null,
      ])
    }
    if !needs.openPayoutsOf.isEmpty {
      let open = PayoutStatus.allCases.filter(\.isOpen).map(\.rawValue)
      filters.append([
        "beneficiaryUserId": ["$in": .ids(needs.openPayoutsOf)], "status": ["$in": .strings(open)], "deletedAt": .null,
      ])
    }
    var found: [PayoutID: Payout] = [:]
    for filter in filters {
      for document in try connection.find(Collections.payouts, filter) {
        let payout = try PayoutDocument.payout(document)
        found[payout.id] = payout
      }
    }
    return Array(found.values)
  }
}
