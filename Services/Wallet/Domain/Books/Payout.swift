import Kernel

/// Where a payout stands (DOMAIN 4.6). The last four are final.
public enum PayoutStatus: String, CaseIterable, Hashable, Sendable {
  case requested, processing, paid, failed, canceled
  /// Paid by an agency outside the system: a record, no money moved here.
  case recorded

  /// The amount sits in the beneficiary's locked bucket.
  public var isOpen: Bool {
    switch self {
    case .requested, .processing: true
    case .paid, .failed, .canceled, .recorded: false
    }
  }
}

/// Where a payout goes: a snapshot of what the beneficiary had stored when it was requested.
public enum PayoutDestination: Hashable, Sendable {
  case upi(String)
  case bank(BankAccount)

  /// Holds the last four characters of the account number only.
  public struct BankAccount: Hashable, Sendable {
    public let maskedNumber: String
    public let ifsc: String
    public let bankName: String
    public let holderName: String

    public init(maskedNumber: String, ifsc: String, bankName: String, holderName: String) {
      self.maskedNumber = maskedNumber
      self.ifsc = ifsc
      self.bankName = bankName
      self.holderName = holderName
    }
  }
}

/// A provider's name for a payment. No two live payouts have the same.
public struct ProviderRef: Hashable, Sendable {
  public let provider: String
  public let ref: String

  /// The provider of payouts that staff make by hand.
  public static let manualProvider = "manual"

  public init(provider: String, ref: String) {
    self.provider = provider
    self.ref = ref
  }

  static func manual(_ ref: String) -> ProviderRef { ProviderRef(provider: manualProvider, ref: ref) }

  /// Each agency numbers its own payments.
  static func agency(_ agency: UserID, _ ref: String) -> ProviderRef {
    ProviderRef(provider: "agency:\(agency.rawValue)", ref: ref)
  }

  // By bytes, as the database's index compares; see `PostingKey`.
  public static func == (left: ProviderRef, right: ProviderRef) -> Bool {
    left.provider.utf8.elementsEqual(right.provider.utf8) && left.ref.utf8.elementsEqual(right.ref.utf8)
  }

  public func hash(into hasher: inout Hasher) {
    for byte in provider.utf8 { hasher.combine(byte) }
    hasher.combine(UInt8.max)
    for byte in ref.utf8 { hasher.combine(byte) }
  }
}

/// Money on its way out of a wallet, or the record of a payment made elsewhere.
public struct Payout: Hashable, Sendable {
  public let id: PayoutID
  public let beneficiary: UserID
  public let beneficiaryKind: OwnerKind
  /// The agency above the beneficiary, or its own: whose network the payout belongs to.
  public let agencyCode: PartyCode?
  public let walletID: WalletID
  public let amount: Money
  public internal(set) var status: PayoutStatus
  public internal(set) var provider: String?
  public internal(set) var providerRef: String?
  public let destination: PayoutDestination?
  public internal(set) var failureCode: String?
  public internal(set) var failureMessage: String?
  /// Which request made it, for ever; nil where none did.
  public let requestKey: String?
  public let requestedAt: Timestamp
  /// When it became final.
  public internal(set) var processedAt: Timestamp?
  /// Grows by one with every change.
  public internal(set) var version: Int64
  public internal(set) var updatedAt: Timestamp
  public let createdBy: String
  public internal(set) var updatedBy: String
  public internal(set) var deletedAt: Timestamp?

  public init(
    id: PayoutID, beneficiary: UserID, beneficiaryKind: OwnerKind, agencyCode: PartyCode?, walletID: WalletID,
    amount: Money, status: PayoutStatus, provider: String? = nil, providerRef: String? = nil,
    destination: PayoutDestination? = nil, failureCode: String? = nil, failureMessage: String? = nil,
    requestKey: String? = nil, requestedAt: Timestamp, processedAt: Timestamp? = nil, version: Int64 = 0,
    updatedAt: Timestamp, createdBy: String, updatedBy: String, deletedAt: Timestamp? = nil
  ) {
    self.id = id
    self.beneficiary = beneficiary
    self.beneficiaryKind = beneficiaryKind
    self.agencyCode = agencyCode
    self.walletID = walletID
    self.amount = amount
    self.status = status
    self.provider = provider
    self.providerRef = providerRef
    self.destination = destination
    self.failureCode = failureCode
    self.failureMessage = failureMessage
    self.requestKey = requestKey
    self.requestedAt = requestedAt
    self.processedAt = processedAt
    self.version = version
    self.updatedAt = updatedAt
    self.createdBy = createdBy
    self.updatedBy = updatedBy
    self.deletedAt = deletedAt
  }

  /// Complete once both are known.
  public var reference: ProviderRef? {
    guard let provider, let providerRef else { return nil }
    return ProviderRef(provider: provider, ref: providerRef)
  }

  /// Fails with `PAYOUT_STATE_MISMATCH` unless the payout is in this state.
  func require(_ wanted: PayoutStatus) throws(Failure) {
    guard status == wanted else {
      throw Failure(
        .payoutStateMismatch, "payout \(id) is \(status.rawValue), not \(wanted.rawValue)",
        metadata: ["status": status.rawValue])
    }
  }

  /// The payout after a change of its state, one version further.
  func moved(to status: PayoutStatus, _ context: DecisionContext, by actor: Actor) -> Payout {
    var moved = self
    moved.status = status
    moved.version += 1
    moved.updatedAt = context.now
    moved.updatedBy = actor.id
    if !status.isOpen { moved.processedAt = context.now }
    return moved
  }

  func deleted(_ context: DecisionContext, by actor: Actor) -> Payout {
    var deleted = self
    deleted.version += 1
    deleted.updatedAt = context.now
    deleted.updatedBy = actor.id
    deleted.deletedAt = context.now
    return deleted
  }
}
