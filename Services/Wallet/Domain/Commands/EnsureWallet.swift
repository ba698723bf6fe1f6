import Kernel

/// Opens an owner's wallet if there is none yet.
public struct EnsureWallet: LedgerCommand {
  public let owner: UserID
  public let kind: OwnerKind
  public let actor: Actor

  /// Fails with `VALIDATION_FAILED` when exactly one of owner and kind is the platform's.
  public init(owner: UserID, kind: OwnerKind, actor: Actor) throws(Failure) {
    guard (owner == .platform) == (kind == .platform) else {
      throw .validation("ownerKind", "the platform's wallet belongs to \(UserID.platform)")
    }
    self.owner = owner
    self.kind = kind
    self.actor = actor
  }

  public var needs: LedgerNeeds { LedgerNeeds(owners: [owner]) }

  public func replay(in ledger: Ledger) -> Wallet? { ledger.wallets[owner] }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Wallet> {
    var draft = LedgerDraft(ledger, context, actor: actor)
    draft.ensureWallet(of: owner, kind: kind)
    return .change(draft.change, try draft.wallet(of: owner))
  }
}
