import Kernel

/// Removes the record of a payment made elsewhere; its reference may be used again.
public struct DeletePayout: LedgerCommand {
  public let id: PayoutID
  public let actor: Actor

  public init(id: PayoutID, actor: Actor) {
    self.id = id
    self.actor = actor
  }

  public var needs: LedgerNeeds { LedgerNeeds(payouts: [id]) }

  /// Only the request id recognises a repeat.
  public func replay(in ledger: Ledger) -> Payout? { nil }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Payout> {
    let payout = try ledger.payout(id)
    // In every other state money has moved, or is locked for it.
    guard payout.status == .recorded else {
      throw Failure(.payoutHasLedger, "payout \(id) is in the ledger, which keeps everything")
    }
    var draft = LedgerDraft(ledger, context, actor: actor)
    let deleted = payout.deleted(context, by: actor)
    draft.write(deleted, as: .payoutDeleted, source: "payout.deleted")
    return .change(draft.change, deleted)
  }
}
