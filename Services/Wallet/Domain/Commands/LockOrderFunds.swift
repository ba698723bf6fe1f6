import Kernel

/// Sets the owner's debit of an approved order aside, under the next number of the order's holds (DOMAIN 7.4).
public struct LockOrderFunds: LedgerCommand {
  public let number: HoldNumber
  public let terms: OrderTerms
  public let actor: Actor

  public init(number: HoldNumber, terms: OrderTerms, actor: Actor) {
    self.number = number
    self.terms = terms
    self.actor = actor
  }

  var key: PostingKey { .lock(number) }
  var fingerprint: Fingerprint { Fingerprint(.commissionLock, parties: terms.parties, amounts: terms.amounts) }

  public var needs: LedgerNeeds {
    LedgerNeeds(owners: Set(terms.parties), postings: [key], orders: [number.order])
  }

  public func replay(in ledger: Ledger) throws(Failure) -> Hold? {
    guard try ledger.posting(key, fingerprint) != nil else { return nil }
    guard let hold = ledger.holds[number] else { throw .booksBroken("the posting \(key.text) has no hold") }
    // The same answer as the first time, whatever has become of the hold since.
    return hold.asOpened
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Hold> {
    try terms.requireWallets(in: ledger)
    try requireFreeNumber(in: ledger)
    var draft = LedgerDraft(ledger, context, actor: actor)
    let hold = try lock(in: &draft)
    return .change(draft.change, hold)
  }

  /// Fails with `HOLD_CLOSED` when the number is taken, and `DUPLICATE_ENTRY` when the order has another open hold.
  func requireFreeNumber(in ledger: Ledger) throws(Failure) {
    guard ledger.holds[number] == nil else {
      // A hold that comes late, after its number was closed, would lock the owner's money for ever.
      throw Failure(.holdClosed, "hold \(number.seq) of order \(number.order) was closed before it arrived")
    }
    if let open = ledger.openHold(of: number.order) {
      throw Failure(.duplicateEntry, "order \(number.order) has the open hold \(open.number.seq)")
    }
  }

  func lock(in draft: inout LedgerDraft) throws(Failure) -> Hold {
    try draft.post(Posting(key, fingerprint, legs: legs))
    let wallet = try draft.wallet(of: terms.owner)
    let hold = Hold(
      number: number,
      terms: HoldTerms(
        owner: terms.owner, walletID: wallet.id, buyer: terms.buyer, mediator: terms.mediator,
        commission: terms.commission, margin: terms.margin, amount: terms.total),
      state: .open, createdAt: draft.context.now, updatedAt: draft.context.now)
    draft.write(hold)
    return hold
  }

  private var legs: [Leg] {
    let links = Leg.Links(order: number.order)
    var ownerLinks = links
    ownerLinks.campaign = terms.campaign
    return [
      .debit(terms.total, .bucket(.available, of: terms.owner), as: .commissionLock, links: ownerLinks),
      .credit(terms.total, .bucket(.locked, of: terms.owner), as: .commissionLock, links: links),
      .credit(terms.commission, .bucket(.pending, of: terms.buyer), as: .cashbackLock, links: links),
      .credit(terms.margin, .bucket(.pending, of: terms.mediator), as: .cashbackLock, links: links),
    ]
  }
}
