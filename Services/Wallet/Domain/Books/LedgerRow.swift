import Kernel

/// Why money moved (DOMAIN 7.3). The raw value is the spelling in storage and audit metadata.
public enum TransactionType: String, CaseIterable, Hashable, Sendable {
  case brandDeposit = "brand_deposit"
  case platformFee = "platform_fee"
  case commissionLock = "commission_lock"
  case commissionSettle = "commission_settle"
  case cashbackLock = "cashback_lock"
  case cashbackSettle = "cashback_settle"
  case orderSettlementDebit = "order_settlement_debit"
  case commissionReversal = "commission_reversal"
  case marginReversal = "margin_reversal"
  case agencyPayout = "agency_payout"
  case agencyReceipt = "agency_receipt"
  case payoutRequest = "payout_request"
  case payoutComplete = "payout_complete"
  case payoutFailed = "payout_failed"
  case refund
  case lockRelease = "lock_release"

  /// Gives back what was the receiver's own. Balance ceilings do not apply: a refund must never be refused.
  var returnsOwnMoney: Bool {
    switch self {
    case .lockRelease, .payoutFailed, .refund: true
    case .brandDeposit, .platformFee, .commissionLock, .commissionSettle, .cashbackLock, .cashbackSettle,
      .orderSettlementDebit, .commissionReversal, .marginReversal, .agencyPayout, .agencyReceipt, .payoutRequest,
      .payoutComplete:
      false
    }
  }
}

public enum TransactionStatus: String, CaseIterable, Hashable, Sendable {
  case pending, completed, failed
  /// Undone by a later posting.
  case reversed
}

public enum Direction: String, CaseIterable, Hashable, Sendable {
  case debit, credit
}

/// One leg of a posting as it stands in the ledger. Never changed, except from `completed` to `reversed`.
public struct LedgerRow: Hashable, Sendable {
  /// Whose books the leg is in.
  public enum Account: Hashable, Sendable {
    /// The world outside: it has no balance.
    case external
    case wallet(WalletEntry)
  }

  /// What the leg did to a wallet.
  public struct WalletEntry: Hashable, Sendable {
    public let walletID: WalletID
    public let owner: UserID
    public let bucket: Bucket
    /// The bucket after this leg; nil, like the version, on records that changed no balance.
    public let balanceAfter: Money?
    /// What was available after this leg, on legs of the other buckets: so any row of a wallet tells it. Nil on
    /// records, and on rows that are older than this field.
    public let availableAfter: Money?
    /// The wallet's version after the posting: the same on all its legs.
    public let versionAfter: Int64?

    public init(
      walletID: WalletID, owner: UserID, bucket: Bucket, balanceAfter: Money?, availableAfter: Money? = nil,
      versionAfter: Int64?
    ) {
      self.walletID = walletID
      self.owner = owner
      self.bucket = bucket
      self.balanceAfter = balanceAfter
      self.availableAfter = availableAfter
      self.versionAfter = versionAfter
    }
  }

  public let id: TransactionID
  public let posting: PostingKey
  /// The leg's number inside its posting, from 1.
  public let number: Int
  /// What the posting was asked to do; on leg 1 only.
  public let fingerprint: String?
  public let account: Account
  public internal(set) var status: TransactionStatus
  public let leg: Leg
  public let createdAt: Timestamp

  public init(
    id: TransactionID, posting: PostingKey, number: Int, fingerprint: String?, account: Account,
    status: TransactionStatus, leg: Leg, createdAt: Timestamp
  ) {
    self.id = id
    self.posting = posting
    self.number = number
    self.fingerprint = fingerprint
    self.account = account
    self.status = status
    self.leg = leg
    self.createdAt = createdAt
  }

  /// Unique in the ledger for ever: whatever is written twice collides here.
  public var idempotencyKey: String { posting.rowKey(number) }

  public var walletEntry: WalletEntry? {
    switch account {
    case .external: nil
    case .wallet(let entry): entry
    }
  }

  /// What the leg adds to its bucket: below zero for a debit.
  public var signedPaise: Int64 { leg.direction == .credit ? leg.amount.paise : -leg.amount.paise }
}

extension LedgerRow.WalletEntry {
  /// False for the record of a payment made elsewhere, which changes no balance.
  public var changesBalance: Bool { versionAfter != nil }
}
