import Kernel

/// Pays shopper, mediator and platform from the owner: out of the named hold if it is open, else out of available.
public struct SettleOrderFunds: LedgerCommand {
  public let order: OrderID
  public let seq: Int32
  /// The order's current hold, whose number is closed even if no hold has arrived; nil if none was ever asked for.
  public let hold: HoldNumber?
  public let terms: OrderTerms
  /// The step is repeated after an unknown outcome: a refusal is final for this key, so that the earlier attempt,
  /// should it still arrive, posts nothing (DOMAIN 7.5).
  public let resolve: Bool
  public let actor: Actor
  private let keys: VoidableKey

  /// Fails with `VALIDATION_FAILED` when `voidedTries` is beyond its limit.
  public init(
    order: OrderID, seq: Int32, holdSeq: Int32, terms: OrderTerms, resolve: Bool, voidedTries: Int32, actor: Actor
  ) throws(Failure) {
    keys = try VoidableKey(voidedTries: voidedTries) { .settlement(of: order, seq: seq, voidedTries: $0) }
    self.order = order
    self.seq = seq
    self.hold = holdSeq > 0 ? HoldNumber(order: order, seq: holdSeq) : nil
    self.terms = terms
    self.resolve = resolve
    self.actor = actor
  }

  /// How many earlier tries of this settlement were refused with `resolve`.
  public var voidedTries: Int32 { keys.voidedTries }

  var key: PostingKey { keys.current }
  var fingerprint: Fingerprint { Fingerprint(.orderSettlementDebit, parties: terms.parties, amounts: terms.amounts) }

  public var needs: LedgerNeeds {
    let keys = keys.all
    var owners = Set(terms.parties)
    if terms.fee > .zero { owners.insert(.platform) }
    return LedgerNeeds(owners: owners, postings: keys, voidable: keys, orders: [order])
  }

  public func replay(in ledger: Ledger) throws(Failure) -> PostingKey? {
    try keys.replay(in: ledger, fingerprint)
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<PostingKey> {
    do {
      return .change(try settle(on: ledger, context), key)
    } catch {
      guard resolve, error.kind != .internal else { throw error }
      var draft = LedgerDraft(ledger, context, actor: actor)
      draft.void(key, for: error)
      return .refusal(draft.change, error)
    }
  }

  private func settle(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> LedgerChange {
    try terms.requireWallets(in: ledger)
    var draft = LedgerDraft(ledger, context, actor: actor)
    if terms.fee > .zero { draft.ensureWallet(of: .platform, kind: .platform) }
    let known = hold.flatMap { ledger.holds[$0] }
    if let locked = known?.terms, known?.isOpen == true, !locked.match(terms) {
      throw Failure(.idempotencyMismatch, "the open hold of order \(order) has other parties or amounts")
    }
    try draft.post(Posting(key, fingerprint, legs: legs(fromHold: known?.isOpen == true)))
    if let hold {
      if let known, known.isOpen {
        draft.write(known.closed(as: .consumed, at: context.now))
      } else if known == nil {
        draft.write(Hold(number: hold, terms: nil, state: .consumed, createdAt: context.now, updatedAt: context.now))
      }
    }
    return draft.change
  }

  private func legs(fromHold: Bool) -> [Leg] {
    var links = Leg.Links(order: order, from: terms.owner, settlementSeq: seq)
    var ownerLinks = links
    ownerLinks.campaign = terms.campaign
    let debit = Leg.debit(
      terms.total, .bucket(fromHold ? .locked : .available, of: terms.owner), as: .orderSettlementDebit,
      links: ownerLinks)

    func credit(_ amount: Money, to owner: UserID, as type: TransactionType, _ name: String) -> Leg {
      links.to = owner
      return .credit(amount, .bucket(.available, of: owner), as: type, links: links, metadata: ["leg": name])
    }
    let credits = [
      credit(terms.commission, to: terms.buyer, as: .commissionSettle, "buyer_commission"),
      credit(terms.margin, to: terms.mediator, as: .commissionSettle, "mediator_margin"),
      credit(terms.fee, to: .platform, as: .platformFee, "platform_fee"),
    ]
    guard fromHold else { return [debit] + credits }
    let memoLinks = Leg.Links(order: order, settlementSeq: seq)
    return [debit] + credits + [
      .debit(terms.commission, .bucket(.pending, of: terms.buyer), as: .cashbackSettle, links: memoLinks),
      .debit(terms.margin, .bucket(.pending, of: terms.mediator), as: .cashbackSettle, links: memoLinks),
    ]
  }
}
