import Kernel

/// Takes a settlement back, out of what shopper, mediator and platform have available, and locks the owner's debit
/// again under a new hold number: one change, with the amounts that the settlement was made of (DOMAIN 7.3).
public struct UnsettleOrderFunds: LedgerCommand {
  public struct Answer: Hashable, Sendable {
    public let posting: PostingKey
    public let hold: Hold
  }

  public let settlement: SettlementNumber
  public let hold: HoldNumber
  /// The step is repeated after an unknown outcome: see `SettleOrderFunds.resolve`.
  public let resolve: Bool
  public let actor: Actor
  private let keys: VoidableKey

  /// Fails with `VALIDATION_FAILED` when `voidedTries` is beyond its limit.
  public init(
    settlement: SettlementNumber, newHoldSeq: Int32, resolve: Bool, voidedTries: Int32, actor: Actor
  ) throws(Failure) {
    keys = try VoidableKey(voidedTries: voidedTries) { .reversal(of: settlement, voidedTries: $0) }
    self.settlement = settlement
    hold = HoldNumber(order: settlement.order, seq: newHoldSeq)
    self.resolve = resolve
    self.actor = actor
  }

  var key: PostingKey { keys.current }
  /// Parties and amounts are the settlement's: a repeat can only disagree about the hold.
  var fingerprint: Fingerprint { Fingerprint(.refund, [], [], [String(hold.seq)]) }

  public var needs: LedgerNeeds {
    let keys = keys.all
    return LedgerNeeds(
      owners: [.platform], postings: keys, voidable: keys, orders: [settlement.order], settlements: [settlement])
  }

  public func replay(in ledger: Ledger) throws(Failure) -> Answer? {
    guard let posted = try keys.replay(in: ledger, fingerprint) else { return nil }
    guard let hold = ledger.holds[hold] else { throw .booksBroken("the posting \(posted.text) has no hold") }
    return Answer(posting: posted, hold: hold.asOpened)
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Answer> {
    do {
      return try reverse(on: ledger, context)
    } catch {
      guard resolve, error.kind != .internal else { throw error }
      var draft = LedgerDraft(ledger, context, actor: actor)
      draft.void(key, for: error)
      return .refusal(draft.change, error)
    }
  }

  private func reverse(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Answer> {
    guard let settled = ledger.settlement(settlement) else {
      throw Failure(.notSettled, "order \(settlement.order) has no settlement \(settlement.seq)")
    }
    guard settled.rows.allSatisfy({ $0.status == .completed }) else {
      throw .booksBroken("\(settled.key.text) is reversed without a posting that says so")
    }
    let terms = try settled.settledTerms()
    try terms.requireWallets(in: ledger)
    let lock = LockOrderFunds(number: hold, terms: terms, actor: actor)
    try lock.requireFreeNumber(in: ledger)

    var draft = LedgerDraft(ledger, context, actor: actor)
    do {
      try draft.post(Posting(key, fingerprint, legs: legs(terms)))
    } catch {
      throw Self.named(error, terms)
    }
    draft.reverse(settled)
    let locked = try lock.lock(in: &draft)
    return .change(draft.change, Answer(posting: key, hold: locked))
  }

  private func legs(_ terms: OrderTerms) -> [Leg] {
    func debit(_ amount: Money, from owner: UserID, as type: TransactionType, _ name: String) -> Leg {
      let links = Leg.Links(order: settlement.order, from: owner, to: terms.owner, settlementSeq: settlement.seq)
      return .debit(amount, .bucket(.available, of: owner), as: type, links: links, metadata: ["leg": name])
    }
    let ownerLinks = Leg.Links(
      order: settlement.order, campaign: terms.campaign, to: terms.owner, settlementSeq: settlement.seq)
    return [
      debit(terms.commission, from: terms.buyer, as: .commissionReversal, "buyer_commission"),
      debit(terms.margin, from: terms.mediator, as: .marginReversal, "mediator_margin"),
      debit(terms.fee, from: .platform, as: .refund, "platform_fee"),
      .credit(terms.total, .bucket(.available, of: terms.owner), as: .refund, links: ownerLinks),
    ]
  }

  /// Whoever is short is named: the order's people have to know whom to ask.
  private static func named(_ failure: Failure, _ terms: OrderTerms) -> Failure {
    guard failure.code == .insufficientFunds, let owner = failure.metadata["ownerUserId"] else { return failure }
    let party =
      switch owner {
      case terms.buyer.rawValue: "shopper"
      case terms.mediator.rawValue: "mediator"
      default: "platform"
      }
    return Failure(
      .insufficientFundsForReversal, "the \(party) \(owner) has not enough available to give back",
      metadata: ["ownerUserId": owner, "party": party])
  }
}
