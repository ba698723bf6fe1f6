import Kernel

/// The provider could not pay: the owner has the amount back.
public struct FailPayout: LedgerCommand {
  public let id: PayoutID
  public let failureCode: String
  public let failureMessage: String
  public let actor: Actor

  public init(id: PayoutID, failureCode: String, failureMessage: String, actor: Actor) {
    self.id = id
    self.failureCode = failureCode
    self.failureMessage = failureMessage
    self.actor = actor
  }

  public var needs: LedgerNeeds { LedgerNeeds(payouts: [id]) }

  /// Providers call back more than once; the first reason stays.
  public func replay(in ledger: Ledger) -> Payout? {
    ledger.payouts[id].flatMap { $0.status == .failed ? $0 : nil }
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Payout> {
    let payout = try ledger.payout(id)
    try payout.require(.processing)
    var draft = LedgerDraft(ledger, context, actor: actor)
    try draft.move(
      payout, under: .payoutFailed(id), from: .bucket(.locked, of: payout.beneficiary),
      to: .bucket(.available, of: payout.beneficiary), as: .payoutFailed)
    var failed = payout.moved(to: .failed, context, by: actor)
    failed.failureCode = failureCode
    failed.failureMessage = failureMessage
    draft.write(failed, as: .payoutFailed)
    return .change(draft.change, failed)
  }
}
