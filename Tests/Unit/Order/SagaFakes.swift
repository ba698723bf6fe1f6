import Kernel
import OrderMemory
import Synchronization

@testable import OrderDomain

/// What happens to one remote call.
enum Fault: Sendable {
  /// Never arrives.
  case requestLost
  /// Takes effect, but the caller does not hear of it.
  case replyLost
  case refused(ErrorCode)
}

struct ConnectionCut: Error {}

/// Runs `effect` under the fault planned for call number `count`.
private func under(_ fault: Fault?, _ effect: () throws -> Void) throws {
  switch fault {
  case nil: try effect()
  case .requestLost: throw ConnectionCut()
  case .replyLost:
    try? effect()
    throw ConnectionCut()
  case .refused(let code): throw Failure(code, "refused on purpose")
  }
}

/// Campaign as far as orders know it: one slot per order, counted in `free`, and the largest version of each order.
actor FakeSlots: CampaignSlots {
  var states: [OrderID: SlotState] = [:]
  var free: Int
  var capReached = false
  private(set) var versions: [OrderID: Int64] = [:]
  private var faults: [String: [Int: Fault]] = [:]
  private var interruptions: [String: @Sendable () async throws -> Void] = [:]
  private(set) var calls: [String: Int] = [:]

  init(free: Int = 100) { self.free = free }

  func fail(_ method: String, call: Int = 1, _ fault: Fault) { faults[method, default: [:]][call] = fault }

  /// Runs `work` when `method` is called next: its message waits that long on its way.
  func delay(_ method: String, until work: @escaping @Sendable () async throws -> Void) {
    interruptions[method] = work
  }

  func setCapReached(_ isReached: Bool = true) { capReached = isReached }

  func setFree(_ count: Int) { free = count }

  private func call(_ method: String, _ effect: () throws -> Void) async throws {
    let count = calls[method, default: 0] + 1
    calls[method] = count
    if let work = interruptions.removeValue(forKey: method) { try await work() }
    try under(faults[method]?[count], effect)
  }

  /// Whether a step of this version still counts; it then outdates smaller ones.
  private func counts(_ order: OrderID, _ version: Int64) -> Bool {
    guard version == 0 || version >= versions[order, default: 0] else { return false }
    versions[order] = max(version, versions[order, default: 0])
    return true
  }

  func deal(_ id: DealID, for shopper: Shopper, as actor: Actor) throws -> DealTerms { Make.deal() }

  func reserve(for order: Order, as actor: Actor) async throws {
    try await call("reserve") {
      if states[order.id] == .released { throw Failure(.orderStateMismatch, "the slot was given back") }
      guard states[order.id] == nil else {
        _ = counts(order.id, order.version)
        return
      }
      guard free > 0 else { throw Failure(.soldOut, "no slot is left") }
      free -= 1
      states[order.id] = .held
      versions[order.id] = order.version
    }
  }

  func reservation(of order: OrderID, as actor: Actor) -> SlotState? { states[order] }

  func consume(for order: OrderID, version: Int64, as actor: Actor) async throws {
    try await call("consume") {
      guard states[order] != nil else { throw Failure(.reservationNotFound, "no slot") }
      if capReached { throw Failure(.capExceeded, "the limit is reached") }
      if counts(order, version) { states[order] = .consumed }
    }
  }

  func unconsume(for order: OrderID, version: Int64, as actor: Actor) async throws {
    try await call("unconsume") { if counts(order, version) { states[order] = .held } }
  }

  func release(for order: OrderID, version: Int64, reason: String, as actor: Actor) async throws {
    try await call("release") {
      guard let state = states[order] else { throw Failure(.reservationNotFound, "no slot") }
      guard state != .consumed else { throw Failure(.orderStateMismatch, "the slot is consumed") }
      guard state == .held, counts(order, version) else { return }
      free += 1
      states[order] = .released
      reasons[order] = reason
    }
  }

  private(set) var reasons: [OrderID: String] = [:]

  /// Pages of two, so that few orders make many pages; the place is the number of orders seen.
  func held(before moment: Timestamp, from place: String?) throws -> HeldSlots {
    if place == "damaged" { throw Failure(.invalidCursor, "another list") }
    let all = states.filter { $0.value == .held }.keys.sorted { $0.rawValue < $1.rawValue }
    let rest = all.filter { $0.rawValue > (place ?? "") }
    let page = Array(rest.prefix(2))
    return HeldSlots(orders: page, next: rest.count > page.count ? page.last?.rawValue : nil)
  }
}

/// Wallet as far as orders know it: keys that have posted, and keys that never will.
actor FakeWallet: WalletFunds {
  struct Key: Hashable {
    let orderID: OrderID
    let seq: Int32
    let voidedTries: Int32
  }

  var balance: Int64
  private(set) var posted: [Key: SettlementPosting] = [:]
  private(set) var voided: [Key: ErrorCode] = [:]
  private(set) var locks = 0
  /// For which order, and for whom, a hold was asked for.
  private(set) var asked: [(order: OrderID, actor: Actor)] = []
  private(set) var releases: [Int32] = []
  private var faults: [String: [Int: Fault]] = [:]
  private(set) var calls: [String: Int] = [:]

  init(balance: Int64 = 1_000_000) { self.balance = balance }

  func fail(_ method: String, call: Int = 1, _ fault: Fault) { faults[method, default: [:]][call] = fault }

  func deposit(_ amount: Int64) { balance += amount }

  private func call(_ method: String, _ effect: () throws -> Void) throws {
    let count = calls[method, default: 0] + 1
    calls[method] = count
    try under(faults[method]?[count], effect)
  }

  func lock(_ lock: FundsLock, as actor: Actor) throws {
    asked.append((lock.funds.orderID, actor))
    try call("lock") {
      guard balance >= (try lock.funds.economics.ownerDebit().paise) else {
        throw Failure(.insufficientFunds, "not enough money")
      }
      locks += 1
    }
  }

  func release(order: OrderID, holdSeq: Int32, reason: String, as actor: Actor) throws {
    try call("release") {
      releases.append(holdSeq)
      throw Failure(.holdNotFound, "nothing was held")
    }
  }

  func settle(_ posting: SettlementPosting, resolve: Bool, as actor: Actor) throws {
    try call("settle") { try post(posting, resolve: resolve) }
  }

  private func post(_ posting: SettlementPosting, resolve: Bool) throws {
    let key = Key(orderID: posting.funds.orderID, seq: posting.seq, voidedTries: posting.voidedTries)
    if posted[key] != nil { return }
    if let code = voided[key] { throw Failure(code, "refused for good") }
    let debit = try posting.funds.economics.ownerDebit().paise
    guard balance >= debit else {
      if resolve { voided[key] = .insufficientFunds }
      throw Failure(.insufficientFunds, "not enough money")
    }
    balance -= debit
    posted[key] = posting
  }
}

struct FakeDirectory: PartyDirectory {
  func lineage(of user: UserID) -> Lineage? {
    switch user {
    case Make.shopperID:
      Lineage(subject: Make.party(.shopper), mediator: Make.party(.mediator), agency: Make.party(.agency))
    case Make.brandID: Lineage(subject: Make.party(.brand), mediator: nil, agency: nil)
    case Make.agencyID: Lineage(subject: Make.party(.agency), mediator: nil, agency: nil)
    default: nil
    }
  }

  func lineage(of code: PartyCode) -> Lineage? {
    switch code {
    case Make.mediatorCode: Lineage(subject: Make.party(.mediator), mediator: nil, agency: Make.party(.agency))
    case Make.agencyCode: Lineage(subject: Make.party(.agency), mediator: nil, agency: nil)
    default: nil
    }
  }
}

struct PlainAnswers: SagaAnswers {
  func created(_ order: Order) -> [UInt8] { Array("created \(order.id)".utf8) }

  func settled(_ order: Order, _ outcome: SettlementOutcome) -> [UInt8] { Array(outcome.rawValue.utf8) }
}

/// The process dies around one of its commits.
struct ProcessDied: Error {}

/// A store whose process dies at commit number `at`, before or after it took effect.
actor DyingStore: OrderStore {
  let truth: InMemoryOrderStore
  let at: Int
  let afterCommit: Bool
  private(set) var commits = 0

  init(_ truth: InMemoryOrderStore, at: Int, afterCommit: Bool) {
    self.truth = truth
    self.at = at
    self.afterCommit = afterCommit
  }

  func commit(_ change: OrderChange, _ effect: RequestEffect) async throws -> CommitResult {
    commits += 1
    guard commits == at else { return await truth.commit(change, effect) }
    if afterCommit { _ = await truth.commit(change, effect) }
    throw ProcessDied()
  }

  func order(_ id: OrderID) async throws -> Order? { await truth.order(id) }

  func anyOrder(_ id: OrderID) async throws -> Order? { await truth.anyOrder(id) }

  func fates(of ids: [OrderID]) async throws -> [OrderID: OrderFate] { await truth.fates(of: ids) }

  func recall(_ key: RequestKey, at now: Timestamp) async throws -> RequestMemory {
    try await truth.recall(key, at: now)
  }

  func openCreation(for request: RequestKey) async throws -> Order? { await truth.openCreation(for: request) }

  func admissionFacts(
    shopper: UserID, deal: DealID, externalID: ExternalOrderID, now: Timestamp
  ) async throws -> AdmissionFacts {
    await truth.admissionFacts(shopper: shopper, deal: deal, externalID: externalID, now: now)
  }

  func order(withProof sha256: String, otherThan id: OrderID) async throws -> OrderID? {
    await truth.order(withProof: sha256, otherThan: id)
  }

  func open(
    _ order: Order, replacing preOrder: Order?, proofs: [NewProof], limits: VelocityLimits
  ) async throws -> CommitResult {
    try await truth.open(order, replacing: preOrder, proofs: proofs, limits: limits)
  }

  func remember(_ key: RequestKey, _ answer: RequestAnswer, at now: Timestamp) async throws {
    await truth.remember(key, answer, at: now)
  }

  func openTickets(on order: OrderID) async throws -> [String] { await truth.openTickets(on: order) }

  func abandonedSagas(before moment: Timestamp, limit: Int) async throws -> [Order] {
    await truth.abandonedSagas(before: moment, limit: limit)
  }

  func orders(
    awaiting hold: FundsHold, changedBefore moment: Timestamp, after place: ApprovalPlace?, limit: Int
  ) async throws -> [Order] {
    await truth.orders(awaiting: hold, changedBefore: moment, after: place, limit: limit)
  }

  func lateReservationChecks(dueBy now: Timestamp, limit: Int) async throws -> [Order] {
    await truth.lateReservationChecks(dueBy: now, limit: limit)
  }
}

/// The orders that the reconciler could not help.
final class Reports: Sendable {
  private let reported = Mutex<[OrderID]>([])

  var orders: [OrderID] { reported.withLock { $0 } }

  func add(_ order: OrderID) { reported.withLock { $0.append(order) } }
}
