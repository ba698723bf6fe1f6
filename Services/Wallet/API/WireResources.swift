import Kernel
import Messages
import WalletDomain

extension WalletV1.Wallet {
  init(_ wallet: Wallet) {
    self.init(
      id: wallet.id.rawValue, ownerUserId: wallet.owner.rawValue, ownerKind: .init(domain: wallet.kind),
      currency: "INR", availablePaise: wallet.balances.available.paise, pendingPaise: wallet.balances.pending.paise,
      lockedPaise: wallet.balances.locked.paise, version: wallet.version, createdAt: wallet.createdAt.message,
      updatedAt: wallet.updatedAt.message)
  }
}

extension WalletV1.Hold {
  init(_ hold: Hold) {
    self.init(
      orderId: hold.number.order.rawValue, seq: hold.number.seq, amountPaise: hold.amount.paise,
      state: .init(domain: hold.state))
  }
}

extension WalletV1.Payout {
  init(_ payout: Payout) {
    self.init(
      id: payout.id.rawValue, beneficiaryUserId: payout.beneficiary.rawValue, walletId: payout.walletID.rawValue,
      amountPaise: payout.amount.paise, currency: "INR", status: .init(domain: payout.status),
      provider: payout.provider, providerRef: payout.providerRef,
      destination: payout.destination.map { WalletV1.PayoutDestination($0) }, failureCode: payout.failureCode,
      failureMessage: payout.failureMessage, requestedAt: payout.requestedAt.message,
      processedAt: payout.processedAt?.message, version: payout.version)
  }
}

extension WalletV1.PayoutDestination {
  fileprivate init(_ destination: PayoutDestination) {
    switch destination {
    case .upi(let id): self.init(upiId: id)
    case .bank(let bank):
      self.init(
        bank: WalletV1.PayoutBankAccount(
          accountNumber: bank.maskedNumber, ifsc: bank.ifsc, bankName: bank.bankName, holderName: bank.holderName))
    }
  }
}

extension WalletV1.Transaction {
  init(_ row: LedgerRow) {
    let entry = row.walletEntry
    let leg = row.leg
    self.init(
      id: row.id.rawValue, postingId: row.posting.text, type: .init(domain: leg.type),
      status: .init(domain: row.status), account: entry == nil ? .external : .wallet,
      walletId: entry?.walletID.rawValue, ownerUserId: entry?.owner.rawValue,
      bucket: entry.map { .init(domain: $0.bucket) }, direction: .init(domain: leg.direction),
      amountPaise: leg.amount.paise, balanceAfterPaise: entry?.balanceAfter?.paise,
      walletVersionAfter: entry?.versionAfter, memo: leg.isMemo, orderId: leg.links.order?.rawValue,
      campaignId: leg.links.campaign?.rawValue, payoutId: leg.links.payout?.rawValue,
      fromUserId: leg.links.from?.rawValue, toUserId: leg.links.to?.rawValue,
      settlementSeq: leg.links.settlementSeq,
      metadata: GoogleProtobuf.Struct(fields: leg.metadata.mapValues { GoogleProtobuf.Value(kind: .stringValue($0)) }),
      createdAt: row.createdAt.message)
  }
}

extension ProtoEnum {
  /// The wire value of a domain value: both are spelled alike in storage.
  init(domain value: some RawRepresentable<String>) {
    // A value without a wire value is a mistake in this build, which a unit test over all cases finds; any other value
    // in its place would tell the caller something false about money.
    guard let known = Self(stored: value.rawValue) else {
      preconditionFailure("\(Self.self) has no value for \(value.rawValue)")
    }
    self = known
  }
}

extension RawRepresentable<String> {
  /// The domain value of a wire value. Fails with `VALIDATION_FAILED` on one that this build does not know.
  init(_ value: some ProtoEnum, path: String) throws(Failure) {
    guard let known = value.stored.flatMap({ Self(rawValue: $0) }) else {
      throw .validation(path, "must be a known value")
    }
    self = known
  }
}
