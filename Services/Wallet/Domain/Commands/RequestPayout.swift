import Kernel

/// Sets an amount aside to be paid out to its owner (DOMAIN 8.9).
public struct RequestPayout: LedgerCommand {
  public struct Answer: Hashable, Sendable {
    public let payout: Payout
    /// Nil when the wallet was closed since.
    public let wallet: Wallet?
  }

  public let beneficiary: UserID
  public let amount: Money
  /// Recognises the request for ever; nil when the caller sent no request id.
  public let requestKey: String?
  public let actor: Actor
  /// Must be known before the command is decided.
  public var profile: PayoutProfile?

  /// Fails with `INVALID_AMOUNT` below one paisa and `AMOUNT_OUT_OF_RANGE` outside of the limits.
  public init(
    beneficiary: UserID, amount: Money, requestID: String, actor: Actor, limits: WalletLimits
  ) throws(Failure) {
    try WalletLimits.check(amount, in: limits.payoutMin...max(limits.payoutMin, limits.payoutMax))
    self.beneficiary = beneficiary
    self.amount = amount
    requestKey = requestID.isEmpty ? nil : "payout:\(beneficiary.rawValue):\(requestID)"
    self.actor = actor
  }

  public var needs: LedgerNeeds {
    LedgerNeeds(
      owners: [beneficiary], payoutRequests: Set(requestKey.map { [$0] } ?? []), openPayoutsOf: [beneficiary])
  }

  public func replay(in ledger: Ledger) throws(Failure) -> Answer? {
    guard let requestKey, let known = ledger.payout(requestedAs: requestKey) else { return nil }
    guard known.amount == amount else {
      throw Failure(.idempotencyMismatch, "the request id was used for a payout of another amount")
    }
    return Answer(payout: known, wallet: ledger.wallets[beneficiary])
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Answer> {
    guard let profile else { throw .booksBroken("a payout to somebody of whom nothing is known") }
    guard let destination = profile.destination else {
      throw Failure(.payoutDestinationMissing, "store a UPI id or complete bank details first")
    }
    guard ledger.openPayouts(of: beneficiary) < context.limits.openPayoutsMax else {
      throw Failure(.tooManyPending, "\(context.limits.openPayoutsMax) payouts are open already")
    }
    var draft = LedgerDraft(ledger, context, actor: actor)
    draft.ensureWallet(of: beneficiary, kind: profile.kind)
    let payout = Payout(
      id: .generate(at: context.now), beneficiary: beneficiary, beneficiaryKind: profile.kind,
      agencyCode: profile.agencyCode, walletID: try draft.wallet(of: beneficiary).id, amount: amount,
      status: .requested, destination: destination, requestKey: requestKey, requestedAt: context.now,
      updatedAt: context.now, createdBy: actor.id, updatedBy: actor.id)
    try draft.move(
      payout, under: .payoutRequest(payout.id), from: .bucket(.available, of: beneficiary),
      to: .bucket(.locked, of: beneficiary), as: .payoutRequest)
    draft.write(payout, as: .payoutRequested)
    return .change(draft.change, Answer(payout: payout, wallet: try draft.wallet(of: beneficiary)))
  }
}
