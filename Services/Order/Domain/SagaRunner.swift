public import Kernel

/// What came back from one step in another service.
enum RemoteReply: Sendable {
  case done
  /// The other service has decided; asking again would not help.
  case refused(Failure)
  /// It may or may not have happened.
  case unknown(any Error)

  init(_ call: () async throws -> Void) async {
    do {
      try await call()
      self = .done
    } catch let failure as Failure where Self.isDefinite(failure) {
      self = .refused(failure)
    } catch {
      self = .unknown(error)
    }
  }

  /// A business code decides; a lost race, a full queue, a missing credential and silence do not. A slot in the wrong
  /// state is no lost race: it stays wrong.
  static func isDefinite(_ failure: Failure) -> Bool {
    if failure.code == .orderStateMismatch { return true }
    return switch failure.kind {
    case .invalidArgument, .notFound, .alreadyExists, .failedPrecondition: true
    case .unauthenticated, .permissionDenied, .aborted, .resourceExhausted, .unimplemented, .unavailable,
      .deadlineExceeded, .internal:
      false
    }
  }

  /// The reply with refusals of these codes taken as done: there was nothing to undo.
  func accepting(_ codes: ErrorCode...) -> RemoteReply {
    if case .refused(let failure) = self, codes.contains(failure.code) { return .done }
    return self
  }
}

/// Encodes the answers of calls that end with a saga, whoever drives it to its end.
public protocol SagaAnswers: Sendable {
  func created(_ order: Order) throws -> [UInt8]
  func settled(_ order: Order, _ outcome: SettlementOutcome) throws -> [UInt8]
}

/// What both sagas are driven with.
public struct SagaRunner: Sendable {
  public let store: any OrderStore
  public let slots: any CampaignSlots
  public let funds: any WalletFunds
  public let answers: any SagaAnswers
  public let clock: any WallClock
  /// Waits between attempts; tests do not wait.
  public let pause: @Sendable (Duration) async throws -> Void

  /// Attempts at one step inside one call, and the pause after the first; doubled after each.
  static let attemptsMax = 3
  static let pauseFirst = Duration.milliseconds(100)
  /// How long a call looks for what another driver of its saga achieves: as long as its own caller waits, less what it
  /// takes to answer. Nobody's call, a sweep's, looks for 3 s. Who waits longer than that looks less often.
  static let observationShare = (of: 9, in: 10)
  static let observationMax = Duration.seconds(3)
  static let observationPause = Duration.milliseconds(50)
  static let lateObservationPause = Duration.milliseconds(250)

  public init(
    store: any OrderStore, slots: any CampaignSlots, funds: any WalletFunds, answers: any SagaAnswers,
    clock: any WallClock,
    pause: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
  ) {
    self.store = store
    self.slots = slots
    self.funds = funds
    self.answers = answers
    self.clock = clock
    self.pause = pause
  }

  /// Takes a pending saga over: whoever drove it before can store nothing any more. Nil when it was not to be had.
  public func claim(_ order: Order) async throws -> Order? {
    guard let saga = order.pendingSaga else { return nil }
    let now = clock.now()
    var change = OrderChange(order, by: saga.actor, at: now)
    change.edit { $0.pendingSaga = saga.retried(at: now) }
    if case .settling = saga.plan { change.continuesSaga() }
    return try await store.commit(change, .none) == .committed ? change.after : nil
  }

  /// The order after the saga that it was seen in has ended, possibly with the order; nil while the saga goes on.
  func ended(_ order: Order) async throws -> Order? {
    guard let current = try await store.anyOrder(order.id) else { return nil }
    if let saga = current.pendingSaga, saga.startedAt == order.pendingSaga?.startedAt { return nil }
    return current
  }

  /// Waits until the saga that `order` was seen in has ended, and returns the order then, which may be deleted.
  ///
  /// Fails with `SERVICE_UNAVAILABLE` when that takes longer than the caller waits (DOMAIN 0.4).
  @discardableResult
  public func awaitEnd(of order: Order) async throws -> Order {
    let patience =
      Deadline.current.map { $0.remaining * Self.observationShare.of / Self.observationShare.in } ?? Self.observationMax
    var waited = Duration.zero
    while true {
      if let current = try await ended(order) { return current }
      let span = waited < Self.observationMax ? Self.observationPause : Self.lateObservationPause
      guard waited + span <= patience, Deadline.current?.hasPassed != true else { break }
      try await pause(span)
      waited += span
    }
    throw Self.outcomeUnknown
  }

  /// A saga whose end is not known: whoever asks again with the same request id goes on with it.
  public static let outcomeUnknown = Failure(
    .serviceUnavailable, "the outcome is not known yet: send the request again with the same request id",
    retriesExhausted: true)
}
