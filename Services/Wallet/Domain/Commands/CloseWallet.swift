import Kernel

/// Closes an empty wallet. Its rows stay for ever; its owner may open another one.
public struct CloseWallet: LedgerCommand {
  public let owner: UserID
  public let actor: Actor

  /// Fails with `FORBIDDEN` for the platform's: somebody is always charging fees.
  public init(owner: UserID, actor: Actor) throws(Failure) {
    guard owner != .platform else { throw Failure(.forbidden, "the platform's wallet is never closed") }
    self.owner = owner
    self.actor = actor
  }

  public var needs: LedgerNeeds { LedgerNeeds(owners: [owner], openPayoutsOf: [owner]) }

  /// An owner who has a wallet may have had another one before: only the request id recognises a repeat.
  public func replay(in ledger: Ledger) -> Wallet? { nil }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Wallet> {
    let wallet = try ledger.wallet(of: owner)
    guard ledger.openPayouts(of: owner) == 0 else {
      throw Failure(.payoutPending, "a payout of \(owner) is requested or processing")
    }
    guard wallet.isEmpty else { throw Failure(.walletNotEmpty, "the wallet of \(owner) is not empty") }
    var draft = LedgerDraft(ledger, context, actor: actor)
    draft.close(wallet)
    draft.record(.walletDeleted, .wallet(wallet.id), ["roles": .texts([wallet.kind.rawValue])])
    return .change(draft.change, wallet)
  }
}
