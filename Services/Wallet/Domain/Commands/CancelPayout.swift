import Kernel

/// Gives the amount of a payout that no provider has yet back to its owner.
public struct CancelPayout: LedgerCommand {
  public let id: PayoutID
  public let actor: Actor

  public init(id: PayoutID, actor: Actor) {
    self.id = id
    self.actor = actor
  }

  public var needs: LedgerNeeds { LedgerNeeds(payouts: [id]) }

  public func replay(in ledger: Ledger) -> Payout? {
    ledger.payouts[id].flatMap { $0.status == .canceled ? $0 : nil }
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Payout> {
    let payout = try ledger.payout(id)
    try payout.require(.requested)
    var draft = LedgerDraft(ledger, context, actor: actor)
    try draft.move(
      payout, under: .payoutCancel(id), from: .bucket(.locked, of: payout.beneficiary),
      to: .bucket(.available, of: payout.beneficiary), as: .lockRelease)
    let canceled = payout.moved(to: .canceled, context, by: actor)
    draft.write(canceled, as: .payoutCanceled)
    return .change(draft.change, canceled)
  }
}
