import Kernel

/// The provider has paid: the amount leaves the system.
public struct CompletePayout: LedgerCommand {
  public let id: PayoutID
  public let reference: ProviderRef
  public let actor: Actor

  public init(id: PayoutID, reference: ProviderRef, actor: Actor) {
    self.id = id
    self.reference = reference
    self.actor = actor
  }

  public var needs: LedgerNeeds { LedgerNeeds(payouts: [id], references: [reference]) }

  /// Providers call back more than once.
  public func replay(in ledger: Ledger) -> Payout? {
    ledger.payouts[id].flatMap { $0.status == .paid && $0.reference == reference ? $0 : nil }
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Payout> {
    let payout = try ledger.payout(id)
    try payout.require(.processing)
    guard payout.provider == reference.provider else {
      throw Failure(.payoutStateMismatch, "payout \(id) was given to another provider")
    }
    guard payout.reference == nil || payout.reference == reference else {
      throw Failure(.payoutStateMismatch, "payout \(id) was given to its provider under another reference")
    }
    if payout.reference == nil { try ledger.requireUnused(reference) }

    var draft = LedgerDraft(ledger, context, actor: actor)
    var paid = payout.moved(to: .paid, context, by: actor)
    paid.providerRef = reference.ref
    try draft.move(
      paid, under: .payoutComplete(id), from: .bucket(.locked, of: payout.beneficiary), to: .external,
      as: .payoutComplete)
    draft.write(paid, as: .payoutProcessed)
    return .change(draft.change, paid)
  }
}
