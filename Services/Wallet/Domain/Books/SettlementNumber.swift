import Kernel

/// Which settlement of which order. Numbers ascend, so that a settled order may be unsettled and settled again.
public struct SettlementNumber: Hashable, Sendable {
  public let order: OrderID
  /// From 1.
  public let seq: Int32

  public init(order: OrderID, seq: Int32) {
    self.order = order
    self.seq = seq
  }
}

extension KnownPosting {
  /// Which settlement this posting is; nil when it is none.
  public var settlement: SettlementNumber? {
    guard let leg = rows.first?.leg, leg.type == .orderSettlementDebit, let order = leg.links.order,
      let seq = leg.links.settlementSeq
    else { return nil }
    return SettlementNumber(order: order, seq: seq)
  }

  /// What a settlement was made of, as it is recorded, whatever the order or its deal say by now (DOMAIN 7.3).
  ///
  /// Legs of zero are not in the ledger, but the fingerprint names every party and every amount. The two must agree.
  func settledTerms() throws(Failure) -> OrderTerms {
    guard let debit = rows.first, let campaign = debit.leg.links.campaign, let parts = fingerprint.orderParts else {
      throw .booksBroken("\(key.text) is no settlement")
    }
    let terms = try OrderTerms(
      owner: parts.parties[0], buyer: parts.parties[1], mediator: parts.parties[2], campaign: campaign,
      commission: parts.amounts[0], margin: parts.amounts[1], fee: parts.amounts[2])
    guard debit.walletEntry?.owner == terms.owner, debit.leg.amount == terms.total else {
      throw .booksBroken("the legs of \(key.text) are not what its fingerprint says")
    }
    return terms
  }

  /// The same posting after another one has undone it.
  public func reversed() -> KnownPosting {
    KnownPosting(
      key: key, fingerprint: fingerprint,
      rows: rows.map { row in
        var row = row
        row.status = .reversed
        return row
      })
  }
}

extension Fingerprint {
  /// The parties (owner, buyer, mediator) and amounts (commission, margin, fee) of an order's posting.
  public var orderParts: (parties: [UserID], amounts: [Money])? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 7 else { return nil }
    let parties = parts[1...3].compactMap { UserID(String($0)) }
    let amounts = parts[4...6].compactMap { Int64($0) }.map { Money(paise: $0) }
    return parties.count == 3 && amounts.count == 3 ? (parties, amounts) : nil
  }
}
