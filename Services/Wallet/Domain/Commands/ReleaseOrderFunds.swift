import Kernel

/// Gives a hold back to its owner and closes its number, even when no hold has arrived (DOMAIN 7.4).
public struct ReleaseOrderFunds: LedgerCommand {
  public let number: HoldNumber
  public let reason: String
  public let actor: Actor

  public init(number: HoldNumber, reason: String, actor: Actor) {
    self.number = number
    self.reason = reason
    self.actor = actor
  }

  var key: PostingKey { .release(number) }
  /// Parties and amounts are the hold's: a repeat cannot disagree about them.
  var fingerprint: Fingerprint { Fingerprint(.lockRelease) }

  public var needs: LedgerNeeds { LedgerNeeds(postings: [key], orders: [number.order]) }

  public func replay(in ledger: Ledger) throws(Failure) -> Hold? {
    guard try ledger.posting(key, fingerprint) != nil else { return nil }
    guard let hold = ledger.holds[number] else { throw .booksBroken("the posting \(key.text) has no hold") }
    return hold
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Hold> {
    var draft = LedgerDraft(ledger, context, actor: actor)
    guard let hold = ledger.holds[number] else {
      draft.write(Hold(number: number, terms: nil, state: .released, createdAt: context.now, updatedAt: context.now))
      return .refusal(draft.change, notFound)
    }
    guard let terms = hold.terms else { throw notFound }
    guard hold.isOpen else {
      throw Failure(.holdClosed, "hold \(number.seq) of order \(number.order) is \(hold.state.rawValue)")
    }
    try draft.post(Posting(key, fingerprint, legs: legs(terms)))
    let released = hold.closed(as: .released, at: context.now)
    draft.write(released)
    return .change(draft.change, released)
  }

  private var notFound: Failure {
    Failure(.holdNotFound, "order \(number.order) never had a hold \(number.seq); the number is closed now")
  }

  private func legs(_ terms: HoldTerms) -> [Leg] {
    let links = Leg.Links(order: number.order)
    return [
      .debit(
        terms.amount, .bucket(.locked, of: terms.owner), as: .lockRelease, links: links, metadata: ["reason": reason]),
      .credit(terms.amount, .bucket(.available, of: terms.owner), as: .lockRelease, links: links),
      .debit(terms.commission, .bucket(.pending, of: terms.buyer), as: .lockRelease, links: links),
      .debit(terms.margin, .bucket(.pending, of: terms.mediator), as: .lockRelease, links: links),
    ]
  }
}
