import Kernel

/// How a brand pays an agency. One never stands in for the other: a record without movement is a deliberate act.
public enum PaymentMode: String, CaseIterable, Hashable, Sendable {
  case wallet
  /// Paid elsewhere; two memo rows, no balance changes.
  case manual
}

/// Money from a brand to an agency, or the record of a payment made elsewhere, once per brand, agency and reference.
public struct PayAgency: LedgerCommand {
  public struct Answer: Hashable, Sendable {
    /// The brand's. Nil when it was closed since.
    public let wallet: Wallet?
    /// The brand's leg.
    public let row: LedgerRow
  }

  /// What the rows remember of the two, besides their ids.
  public struct Names: Hashable, Sendable {
    public let brand: String
    public let agency: String
    public let agencyCode: PartyCode

    public init(brand: String, agency: String, agencyCode: PartyCode) {
      self.brand = brand
      self.agency = agency
      self.agencyCode = agencyCode
    }
  }

  public let brand: UserID
  public let agency: UserID
  public let amount: Money
  public let ref: String
  public let mode: PaymentMode
  public let actor: Actor
  /// Must be known before the command is decided.
  public var names: Names?

  /// Fails with `INVALID_AMOUNT` below one paisa and `AMOUNT_OUT_OF_RANGE` above the limit.
  public init(
    brand: UserID, agency: UserID, amount: Money, ref: String, mode: PaymentMode, actor: Actor, limits: WalletLimits
  ) throws(Failure) {
    try WalletLimits.check(amount, in: Money(paise: 1)...limits.transferMax)
    self.brand = brand
    self.agency = agency
    self.amount = amount
    self.ref = ref
    self.mode = mode
    self.actor = actor
  }

  var key: PostingKey { .agencyPayment(from: brand, to: agency, ref: ref) }
  /// A payment from the wallet is no repetition of a manual one.
  var fingerprint: Fingerprint { Fingerprint(.agencyPayout, [brand, agency], [amount], [mode.rawValue]) }

  public var needs: LedgerNeeds { LedgerNeeds(owners: [brand, agency], postings: [key]) }

  public func replay(in ledger: Ledger) throws(Failure) -> Answer? {
    guard let known = try ledger.posting(key, fingerprint) else { return nil }
    return try answer(wallet: ledger.wallets[brand], rows: known.rows)
  }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Answer> {
    guard let names else { throw .booksBroken("a payment to an agency of which nothing is known") }
    var draft = LedgerDraft(ledger, context, actor: actor)
    draft.ensureWallet(of: brand, kind: .brand)
    draft.ensureWallet(of: agency, kind: .agency)
    let links = Leg.Links(from: brand, to: agency)
    let metadata = [
      "ref": ref, "mode": mode.rawValue, "brandName": names.brand, "agencyName": names.agency,
      "agencyCode": names.agencyCode.rawValue,
    ]
    let rows = try draft.post(
      Posting(
        key, fingerprint,
        legs: [
          Leg(
            .debit, amount, .bucket(.available, of: brand), as: .agencyPayout, links: links, metadata: metadata,
            isRecord: mode == .manual),
          Leg(
            .credit, amount, .bucket(.available, of: agency), as: .agencyReceipt, links: links, metadata: metadata,
            isRecord: mode == .manual),
        ]))
    draft.record(
      .agencyPaymentRecorded, .user(brand),
      [
        "agencyId": .text(agency.rawValue), "agencyCode": .text(names.agencyCode.rawValue),
        "amountPaise": .amount(amount), "ref": .text(ref), "mode": .text(mode.rawValue),
      ])
    return .change(draft.change, try answer(wallet: draft.wallet(of: brand), rows: rows))
  }

  private func answer(wallet: Wallet?, rows: [LedgerRow]) throws(Failure) -> Answer {
    guard let row = rows.first(where: { $0.leg.direction == .debit }) else {
      throw .booksBroken("the posting \(key.text) has no debit leg")
    }
    return Answer(wallet: wallet, row: row)
  }
}
