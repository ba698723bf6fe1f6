import Kernel

/// Money from outside into an owner's wallet, once per owner and reference.
public struct Deposit: LedgerCommand {
  public struct Answer: Hashable, Sendable {
    /// Nil when the wallet was closed since.
    public let wallet: Wallet?
    /// The owner's leg.
    public let row: LedgerRow
  }

  public let owner: UserID
  public let amount: Money
  public let ref: String
  public let actor: Actor
  /// What kind of wallet to open if the owner has none; nil refuses with `WALLET_NOT_FOUND` instead.
  public var opening: OwnerKind?

  /// Fails with `INVALID_AMOUNT` below one paisa and `AMOUNT_OUT_OF_RANGE` above the limit.
  public init(
    owner: UserID, amount: Money, ref: String, actor: Actor, opening: OwnerKind? = nil, limits: WalletLimits
  ) throws(Failure) {
    try WalletLimits.check(amount, in: Money(paise: 1)...limits.depositMax)
    self.owner = owner
    self.amount = amount
    self.ref = ref
    self.actor = actor
    self.opening = opening
  }

  var key: PostingKey { .deposit(owner: owner, ref: ref) }
  var fingerprint: Fingerprint { Fingerprint(.brandDeposit, parties: [owner], amounts: [amount]) }

  public var needs: LedgerNeeds { LedgerNeeds(owners: [owner], postings: [key]) }

  public func replay(in ledger: Ledger) throws(Failure) -> Answer? {
    guard let known = try ledger.posting(key, fingerprint) else { return nil }
    return try answer(wallet: ledger.wallets[owner], rows: known.rows)
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Answer> {
    var draft = LedgerDraft(ledger, context, actor: actor)
    if let opening { draft.ensureWallet(of: owner, kind: opening) }
    let links = Leg.Links(to: owner)
    let metadata = ["ref": ref]
    let rows = try draft.post(
      Posting(
        key, fingerprint,
        legs: [
          .debit(amount, .external, as: .brandDeposit, links: links, metadata: metadata),
          .credit(amount, .bucket(.available, of: owner), as: .brandDeposit, links: links, metadata: metadata),
        ]))
    return .change(draft.change, try answer(wallet: draft.wallet(of: owner), rows: rows))
  }

  private func answer(wallet: Wallet?, rows: [LedgerRow]) throws(Failure) -> Answer {
    guard let row = rows.first(where: { $0.leg.direction == .credit }) else {
      throw .booksBroken("the posting \(key.text) has no credit leg")
    }
    return Answer(wallet: wallet, row: row)
  }
}
