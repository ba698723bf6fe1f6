import Kernel

/// Records a payout that was made by hand: by staff, out of the wallet, or by an agency, beside it.
public struct RecordPayout: LedgerCommand {
  public enum Payer: Hashable, Sendable {
    /// The amount leaves the beneficiary's wallet at once.
    case staff
    /// The agency paid with money of its own: no balance changes.
    case agency(UserID)
  }

  public let payer: Payer
  public let beneficiary: UserID
  public let amount: Money
  public let reference: ProviderRef
  public let actor: Actor
  /// Must be known before the command is decided.
  public var profile: PayoutProfile?

  /// Fails with `INVALID_AMOUNT` below one paisa.
  public init(payer: Payer, beneficiary: UserID, amount: Money, ref: String, actor: Actor) throws(Failure) {
    try WalletLimits.check(amount, in: Money(paise: 1)...Money(paise: .max))
    self.payer = payer
    self.beneficiary = beneficiary
    self.amount = amount
    reference =
      switch payer {
      case .staff: .manual(ref)
      case .agency(let agency): .agency(agency, ref)
      }
    self.actor = actor
  }

  private var status: PayoutStatus {
    switch payer {
    case .staff: .paid
    case .agency: .recorded
    }
  }

  public var needs: LedgerNeeds { LedgerNeeds(owners: [beneficiary], references: [reference]) }

  /// A reference is one payment. Fails with `DUPLICATE_PROVIDER_REF` when it was another one.
  public func replay(in ledger: Ledger) throws(Failure) -> Payout? {
    guard let known = ledger.payout(reference) else { return nil }
    guard known.beneficiary == beneficiary, known.amount == amount, known.status == status else {
      throw Failure(
        .duplicateProviderRef, "the reference was used for another payout", metadata: ["payoutId": known.id.rawValue])
    }
    return known
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Payout> {
    guard let profile else { throw .booksBroken("a payout to somebody of whom nothing is known") }
    var draft = LedgerDraft(ledger, context, actor: actor)
    draft.ensureWallet(of: beneficiary, kind: profile.kind)
    let payout = Payout(
      id: .generate(at: context.now), beneficiary: beneficiary, beneficiaryKind: profile.kind,
      agencyCode: profile.agencyCode, walletID: try draft.wallet(of: beneficiary).id, amount: amount, status: status,
      provider: reference.provider, providerRef: reference.ref, requestedAt: context.now, processedAt: context.now,
      updatedAt: context.now, createdBy: actor.id, updatedBy: actor.id)
    if payer == .staff {
      try draft.move(
        payout, under: .payoutComplete(payout.id), from: .bucket(.available, of: beneficiary), to: .external,
        as: .payoutComplete)
    }
    draft.write(payout, as: .payoutProcessed, source: "payout.recorded")
    return .change(draft.change, payout)
  }
}
