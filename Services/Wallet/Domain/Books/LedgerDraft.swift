import Kernel

/// A change in the making: applies postings to the ledger's wallets and collects what has to be written.
struct LedgerDraft {
  let ledger: Ledger
  let context: DecisionContext
  private(set) var change: LedgerChange

  init(_ ledger: Ledger, _ context: DecisionContext, actor: Actor) {
    self.ledger = ledger
    self.context = context
    change = LedgerChange(actor: actor)
  }

  /// The owner's wallet as the change leaves it.
  func wallet(of owner: UserID) throws(Failure) -> Wallet {
    if let changed = change.wallets.first(where: { $0.owner == owner }) { return changed }
    return try ledger.wallet(of: owner)
  }

  /// Opens a wallet for the owner unless there is one.
  mutating func ensureWallet(of owner: UserID, kind: OwnerKind) {
    guard ledger.wallets[owner] == nil, !change.wallets.contains(where: { $0.owner == owner }) else { return }
    change.wallets.append(.opened(for: owner, kind: kind, at: context.now))
  }

  /// Applies the legs one after the other; each wallet's version grows by one, however many legs hit it.
  ///
  /// Fails with `WALLET_NOT_FOUND`, `INSUFFICIENT_FUNDS`, `BALANCE_LIMIT_EXCEEDED` or `AMOUNT_OUT_OF_RANGE`; the draft
  /// must not be used afterwards.
  @discardableResult
  mutating func post(_ posting: Posting) throws(Failure) -> [LedgerRow] {
    var touched: Set<UserID> = []
    var rows: [LedgerRow] = []
    for leg in posting.legs {
      let account = try apply(leg, touched: &touched)
      rows.append(
        LedgerRow(
          id: .generate(at: context.now), posting: posting.key, number: rows.count + 1,
          fingerprint: rows.isEmpty ? posting.fingerprint.text : nil, account: account, status: .completed, leg: leg,
          createdAt: context.now))
    }
    change.postings.append(KnownPosting(key: posting.key, fingerprint: posting.fingerprint, rows: rows))
    return rows
  }

  mutating func write(_ hold: Hold) {
    change.holds.append(hold)
  }

  /// Marks an earlier posting as undone by what this draft posts.
  mutating func reverse(_ posting: KnownPosting) {
    change.reversed.append(posting.key)
  }

  mutating func close(_ wallet: Wallet) {
    change.wallets.removeAll { $0.owner == wallet.owner }
    change.wallets.append(wallet.closed(context, by: change.actor))
  }

  mutating func write(_ payout: Payout) {
    change.payouts.append(payout)
  }

  mutating func record(_ action: AuditRecord.Action, _ entity: AuditRecord.Entity, _ facts: [String: AuditRecord.Fact])
  {
    change.records.append(AuditRecord(action, entity, facts: facts, actor: change.actor, at: context.now))
  }

  mutating func announce(_ event: LedgerEvent) {
    change.events.append(event)
  }

  mutating func void(_ key: PostingKey, for failure: Failure) {
    change.voided.append(VoidedPosting(key: key, code: failure.code, at: context.now))
  }

  private mutating func apply(_ leg: Leg, touched: inout Set<UserID>) throws(Failure) -> LedgerRow.Account {
    guard case .bucket(let bucket, let owner) = leg.place else { return .external }
    var wallet = try wallet(of: owner)
    // The record of a payment made elsewhere names the wallet and leaves it alone.
    guard !leg.isMemo || bucket == .pending else {
      return .wallet(.init(walletID: wallet.id, owner: owner, bucket: bucket, balanceAfter: nil, versionAfter: nil))
    }
    let after =
      switch leg.direction {
      case .debit: try Self.debited(wallet, bucket, by: leg.amount)
      case .credit: try credited(wallet, bucket, by: leg)
      }
    wallet.balances[bucket] = after
    if touched.insert(owner).inserted {
      wallet.version += 1
      wallet.updatedAt = context.now
    }
    change.wallets.removeAll { $0.owner == owner }
    change.wallets.append(wallet)
    return .wallet(
      .init(
        walletID: wallet.id, owner: owner, bucket: bucket, balanceAfter: after,
        availableAfter: bucket == .available ? nil : wallet.balances.available, versionAfter: wallet.version))
  }

  private static func debited(_ wallet: Wallet, _ bucket: Bucket, by amount: Money) throws(Failure) -> Money {
    let after = try wallet.balances[bucket].subtracting(amount)
    guard after >= .zero else {
      guard bucket == .available else {
        throw .booksBroken("\(bucket.rawValue) of wallet \(wallet.id) is short of \(amount)")
      }
      throw Failure(
        .insufficientFunds, "the wallet of \(wallet.owner) has not enough available",
        metadata: ["ownerUserId": wallet.owner.rawValue])
    }
    return after
  }

  private func credited(_ wallet: Wallet, _ bucket: Bucket, by leg: Leg) throws(Failure) -> Money {
    let after = try wallet.balances[bucket].adding(leg.amount)
    if bucket == .available, !leg.type.returnsOwnMoney, let ceiling = context.limits.ceiling(for: wallet.kind),
      after > ceiling
    {
      throw Failure(
        .balanceLimitExceeded, "the wallet of \(wallet.owner) would exceed its ceiling of \(ceiling)",
        metadata: ["ownerUserId": wallet.owner.rawValue])
    }
    return after
  }
}
