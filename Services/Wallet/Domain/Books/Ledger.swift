import Kernel

/// The part of the books that a batch of commands looks at: loaded once, then advanced command by command.
///
/// Whatever is not in it does not exist, so it must have been loaded for everything in the commands' `needs`.
public struct Ledger: Sendable {
  /// How many batches had been committed when this was read.
  public let batchesCommitted: Int64
  public private(set) var wallets: [UserID: Wallet]
  public private(set) var holds: [HoldNumber: Hold]
  public private(set) var postings: [PostingKey: KnownPosting]
  public private(set) var voided: [PostingKey: VoidedPosting]
  public private(set) var requests: [RequestKey: StoredRequest]
  /// Deleted ones too, if a command of the batch has deleted them.
  public private(set) var payouts: [PayoutID: Payout]
  private var settlements: [SettlementNumber: PostingKey] = [:]
  private var payoutsByRequest: [String: PayoutID] = [:]
  private var payoutsByReference: [ProviderRef: PayoutID] = [:]
  /// What own changes have closed and reversed, as long as the store may still show it otherwise.
  private var closed: Set<WalletID> = []
  private var reversed: Set<PostingKey> = []

  public init(
    batchesCommitted: Int64, wallets: [Wallet] = [], holds: [Hold] = [], postings: [KnownPosting] = [],
    voided: [VoidedPosting] = [], requests: [StoredRequest] = [], payouts: [Payout] = []
  ) {
    self.batchesCommitted = batchesCommitted
    self.wallets = Dictionary(wallets.map { ($0.owner, $0) }, uniquingKeysWith: { first, _ in first })
    self.holds = Dictionary(holds.map { ($0.number, $0) }, uniquingKeysWith: { first, _ in first })
    self.postings = Dictionary(postings.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    self.voided = Dictionary(voided.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    self.requests = Dictionary(requests.map { ($0.key, $0) }, uniquingKeysWith: { first, _ in first })
    self.payouts = [:]
    for posting in postings { note(posting) }
    for payout in payouts { note(payout) }
  }

  /// Fails with `WALLET_NOT_FOUND`.
  func wallet(of owner: UserID) throws(Failure) -> Wallet {
    guard let wallet = wallets[owner] else { throw .walletNotFound(of: owner) }
    return wallet
  }

  /// The posting under the key if there is one. Fails with `IDEMPOTENCY_MISMATCH` when it was asked for something else.
  func posting(_ key: PostingKey, _ fingerprint: Fingerprint) throws(Failure) -> KnownPosting? {
    guard let known = postings[key] else { return nil }
    guard known.fingerprint == fingerprint else {
      throw Failure(.idempotencyMismatch, "\(key.text) was posted before with other parties or amounts")
    }
    return known
  }

  func openHold(of order: OrderID) -> Hold? {
    holds.values.first { $0.number.order == order && $0.isOpen }
  }

  /// The settlement of this number, whichever of its tries it was.
  func settlement(_ number: SettlementNumber) -> KnownPosting? {
    settlements[number].flatMap { postings[$0] }
  }

  /// Fails with `PAYOUT_NOT_FOUND`.
  func payout(_ id: PayoutID) throws(Failure) -> Payout {
    guard let payout = payouts[id], payout.deletedAt == nil else { throw .payoutNotFound(id) }
    return payout
  }

  func payout(requestedAs key: String) -> Payout? { payoutsByRequest[key].flatMap { payouts[$0] } }

  func payout(_ reference: ProviderRef) -> Payout? { payoutsByReference[reference].flatMap { payouts[$0] } }

  func openPayouts(of beneficiary: UserID) -> Int {
    payouts.values.count { $0.beneficiary == beneficiary && $0.status.isOpen }
  }

  private mutating func note(_ posting: KnownPosting) {
    if let number = posting.settlement { settlements[number] = posting.key }
  }

  private mutating func note(_ payout: Payout) {
    payouts[payout.id] = payout
    if let key = payout.requestKey { payoutsByRequest[key] = payout.id }
    // A deleted record gives its reference back.
    if let reference = payout.reference { payoutsByReference[reference] = payout.deletedAt == nil ? payout.id : nil }
  }

  /// Adds what was read of the books, except where this ledger knows better: its own changes may not be committed yet.
  mutating func learn(_ loaded: Ledger) {
    for wallet in loaded.wallets.values { learn(wallet) }
    holds.merge(loaded.holds) { own, _ in own }
    for posting in loaded.postings.values where postings[posting.key] == nil {
      postings[posting.key] = reversed.contains(posting.key) ? posting.reversed() : posting
      note(posting)
    }
    voided.merge(loaded.voided) { own, _ in own }
    requests.merge(loaded.requests) { own, _ in own }
    for payout in loaded.payouts.values where payouts[payout.id] == nil { note(payout) }
  }

  /// The same for one wallet.
  mutating func learn(_ wallet: Wallet) {
    if wallets[wallet.owner] == nil, !closed.contains(wallet.id) { wallets[wallet.owner] = wallet }
  }

  public mutating func apply(_ change: LedgerChange) {
    for wallet in change.wallets {
      wallets[wallet.owner] = wallet.closedAt == nil ? wallet : nil
      if wallet.closedAt != nil { closed.insert(wallet.id) }
    }
    for hold in change.holds { holds[hold.number] = hold }
    for posting in change.postings {
      postings[posting.key] = posting
      note(posting)
    }
    for key in change.reversed {
      postings[key] = postings[key]?.reversed()
      reversed.insert(key)
    }
    for payout in change.payouts { note(payout) }
    for refusal in change.voided { voided[refusal.key] = refusal }
    for request in change.requests { requests[request.key] = request }
  }
}

/// A posting that is in the ledger.
public struct KnownPosting: Hashable, Sendable {
  public let key: PostingKey
  public let fingerprint: Fingerprint
  /// All legs, in order: the answer of a replay is rebuilt from them.
  public let rows: [LedgerRow]

  public init(key: PostingKey, fingerprint: Fingerprint, rows: [LedgerRow]) {
    self.key = key
    self.fingerprint = fingerprint
    self.rows = rows
  }
}

/// A key under which nothing will ever be posted, because its refusal was final.
public struct VoidedPosting: Hashable, Sendable {
  public let key: PostingKey
  public let code: ErrorCode
  public let at: Timestamp

  public init(key: PostingKey, code: ErrorCode, at: Timestamp) {
    self.key = key
    self.code = code
    self.at = at
  }

  /// The same refusal as the first time.
  var failure: Failure {
    Failure(code, "\(key.text) was refused for good and cannot be posted any more", metadata: ["voided": "true"])
  }
}

/// Everything that commands look at before they are decided.
public struct LedgerNeeds: Hashable, Sendable {
  /// Owners whose wallets are read.
  public var owners: Set<UserID>
  /// Postings that may be there already, with all their rows.
  public var postings: Set<PostingKey>
  /// Keys that may have been voided.
  public var voidable: Set<PostingKey>
  /// Orders whose holds are read, open and closed, with the wallets of the parties of open ones.
  public var orders: Set<OrderID>
  /// Requests that may have been answered already.
  public var requests: Set<RequestKey>
  /// Settlements that may be there, with all their rows and the wallets of their parties.
  public var settlements: Set<SettlementNumber>
  /// Live payouts, with the wallets of their beneficiaries.
  public var payouts: Set<PayoutID>
  /// Requests that may have made a payout.
  public var payoutRequests: Set<String>
  /// References that a live payout may have.
  public var references: Set<ProviderRef>
  /// People whose open payouts are read, all of them.
  public var openPayoutsOf: Set<UserID>

  public init(
    owners: Set<UserID> = [], postings: Set<PostingKey> = [], voidable: Set<PostingKey> = [],
    orders: Set<OrderID> = [], requests: Set<RequestKey> = [], settlements: Set<SettlementNumber> = [],
    payouts: Set<PayoutID> = [], payoutRequests: Set<String> = [], references: Set<ProviderRef> = [],
    openPayoutsOf: Set<UserID> = []
  ) {
    self.owners = owners
    self.postings = postings
    self.voidable = voidable
    self.orders = orders
    self.requests = requests
    self.settlements = settlements
    self.payouts = payouts
    self.payoutRequests = payoutRequests
    self.references = references
    self.openPayoutsOf = openPayoutsOf
  }

  public var isEmpty: Bool {
    owners.isEmpty && !hasPostings && voidable.isEmpty && orders.isEmpty && requests.isEmpty && !hasPayouts
  }

  /// Whether postings are read.
  public var hasPostings: Bool { !postings.isEmpty || !settlements.isEmpty }

  /// Whether payouts are read.
  public var hasPayouts: Bool {
    !payouts.isEmpty || !payoutRequests.isEmpty || !references.isEmpty || !openPayoutsOf.isEmpty
  }

  public mutating func formUnion(_ other: LedgerNeeds) {
    owners.formUnion(other.owners)
    postings.formUnion(other.postings)
    voidable.formUnion(other.voidable)
    orders.formUnion(other.orders)
    requests.formUnion(other.requests)
    settlements.formUnion(other.settlements)
    payouts.formUnion(other.payouts)
    payoutRequests.formUnion(other.payoutRequests)
    references.formUnion(other.references)
    openPayoutsOf.formUnion(other.openPayoutsOf)
  }
}

extension Failure {
  static func walletNotFound(of owner: UserID) -> Failure {
    Failure(.walletNotFound, "\(owner) has no wallet", metadata: ["ownerUserId": owner.rawValue])
  }

  static func payoutNotFound(_ id: PayoutID) -> Failure {
    Failure(.payoutNotFound, "there is no payout \(id)")
  }

  /// The books contradict themselves: never the caller's fault, and never to be papered over.
  static func booksBroken(_ what: String) -> Failure {
    Failure(.internalError, what)
  }
}
