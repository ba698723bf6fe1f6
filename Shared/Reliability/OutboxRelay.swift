import Kernel
import Logging
import Mongo
import Synchronization

/// Carries the outbox to its receiver: at least once, in order within an aggregate, for as long as it takes.
///
/// The collection is the truth and is read in rounds; `wake`, a poll, and a change stream for what other replicas
/// append tell when.
/// One replica relays at a time (`LeaderLease`). Two at once, for a moment, repeat messages at most: the receiver
/// stores an event id once. Pauses are counted by the database's clock or the monotonic one.
public final class OutboxRelay: Sendable {
  /// Messages, oldest first. Returns when the receiver has all of them; throws `Failure` otherwise.
  public typealias Deliver = @Sendable ([OutboxMessage]) async throws -> Void

  struct Settings: Sendable {
    /// The longest time until a message is noticed that no `wake` and no change stream has told of.
    var pollEvery = Duration.seconds(1)
    /// How long the change stream stands once the poll has found such a message; nil lets it stand always. For the
    /// database it is far from free: it walks through everything that a transaction writes.
    var streamSpan: Duration? = .seconds(300)
    /// Before a change stream that failed is begun anew.
    var streamPause = Duration.milliseconds(200)
    /// Pauses of the whole relay, while the receiver is away.
    var backoffMin = Duration.milliseconds(250)
    var backoffMax = Duration.seconds(10)
    /// Pauses of one document, which the receiver takes no matter how often the others.
    var delayMin = Duration.milliseconds(250)
    var delayMax = Duration.seconds(30)
    /// Messages that are delivered, and marked as delivered, together.
    var portionMax = 1_000
    /// Definite refusals of one document before it is parked: half a minute with the pauses above.
    var refusalsMax: Int32 = 8
    /// One round: reading, delivering, marking.
    var roundMax = Duration.seconds(30)
    /// How often the backlog is counted.
    var countEvery = Duration.seconds(5)
  }

  /// What one round found.
  enum Round: Sendable, Equatable {
    /// Nothing left to deliver now; what is in its pause is due after this time.
    case idle(nextDue: Duration?)
    /// There is more to deliver now.
    case more
    /// The receiver cannot take messages now.
    case held
  }

  private struct State {
    /// Messages that are delivered together; less than the setting after the receiver failed.
    var portion: Int
    var reading = OutboxReading()
    var countedAt: ContinuousClock.Instant?
  }

  private let store: OutboxStore
  private let service: String
  private let deliver: Deliver
  private let logger: Logger
  private let settings: Settings
  private let signal = WakeSignal()
  /// Somebody else appends, of whom only a change stream tells in time.
  private let strangers = WakeSignal()
  private let state: Mutex<State>

  /// `service` makes event ids unique among all services.
  public convenience init(
    _ database: MongoDatabase, service: String, logger: Logger = Logger(label: "outbox"), deliver: @escaping Deliver
  ) {
    self.init(database, service: service, logger: logger, settings: Settings(), deliver: deliver)
  }

  init(
    _ database: MongoDatabase, service: String, logger: Logger, settings: Settings, deliver: @escaping Deliver
  ) {
    store = OutboxStore(database: database)
    self.service = service
    self.logger = logger
    self.settings = settings
    self.deliver = deliver
    state = Mutex(State(portion: settings.portionMax))
  }

  /// Something was appended and committed: deliver it now. Forgetting to call it costs only time.
  public func wake() {
    signal.set()
  }

  /// What the relay does, for metrics. The backlog is told only by the replica that relays.
  public var reading: OutboxReading { state.withLock { $0.reading } }

  /// Relays until its task is cancelled.
  public func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.watch() }
      group.addTask { await self.relay() }
      await group.waitForAll()
    }
    state.withLock { $0.reading.backlog = nil }
  }

  /// Wakes the relay for what any replica commits, while there are others that do.
  private func watch() async {
    guard let span = settings.streamSpan else { return await stream() }
    while !Task.isCancelled {
      await strangers.next()
      await withTaskGroup(of: Void.self) { group in
        group.addTask { await self.stream() }
        group.addTask { try? await Task.sleep(for: span, clock: .continuous) }
        await group.next()
        group.cancelAll()
      }
    }
  }

  private func stream() async {
    let arrivals: [BSONDocument] = [["$match": ["operationType": "insert"]], ["$project": ["_id": 1]]]
    while !Task.isCancelled {
      do {
        try await store.database.watching(Outbox.collection, arrivals) { stream in
          // For what was committed before the stream stood.
          signal.set()
          while true {
            _ = try await stream.next()
            signal.set()
          }
        }
      } catch is CancellationError {
        return
      } catch ChangeStreamFailure.positionLost(let reason) {
        // No position is kept: the collection tells what was missed.
        logger.info("outbox stream begins anew", metadata: ["service": "\(service)", "reason": "\(reason)"])
      } catch {
        logger.warning("outbox stream failed", metadata: ["service": "\(service)", "error": "\(error)"])
      }
      do { try await Task.sleep(for: settings.streamPause, clock: .continuous) } catch { return }
    }
  }

  private func relay() async {
    var backoff = settings.backoffMin
    var isHeld = false
    var isPoll = false
    while !Task.isCancelled {
      let before = reading
      let round = await guardedRound()
      await countBacklog()
      if isPoll, reading.attempts > before.attempts { strangers.set() }
      isPoll = false
      if isHeld, reading.dispatched > before.dispatched {
        logger.info("outbox delivery resumed", metadata: ["service": "\(service)"])
        isHeld = false
        backoff = settings.backoffMin
      }
      let pause: Duration
      switch round {
      case .more: continue
      case .idle(let nextDue) where isHeld: pause = min(backoff, nextDue ?? backoff)
      case .idle(let nextDue):
        let isWoken = await signal.wait(atMost: min(settings.pollEvery, nextDue ?? settings.pollEvery))
        isPoll = !isWoken && nextDue == nil
        continue
      case .held:
        if !isHeld { logger.warning("outbox delivery held back", metadata: ["service": "\(service)"]) }
        isHeld = true
        pause = backoff * Double.random(in: 0.8...1.2)
        backoff = min(backoff * 2, settings.backoffMax)
      }
      // Not cut short by `wake`: new messages do not make the receiver any healthier.
      do { try await Task.sleep(for: pause, clock: .continuous) } catch { return }
    }
  }

  private func guardedRound() async -> Round {
    do {
      return try await Deadline.$current.withValue(.after(settings.roundMax)) { try await round() }
    } catch {
      logger.debug("outbox round failed", metadata: ["error": "\(error)"])
      return .held
    }
  }

  /// Delivers one page. Throws what the database could not do for now.
  func round() async throws -> Round {
    let page = try await store.page()
    for id in page.unreadable {
      logger.error("outbox document parked: it cannot be read", metadata: ["id": "\(id)"])
      try await store.park(id, reason: "unreadable")
      note { $0.parked += 1 }
    }
    guard !page.documents.isEmpty else {
      return page.unreadable.isEmpty && !page.isFull ? .idle(nextDue: page.nextDue) : .more
    }
    for portion in portions(of: page.documents) {
      do {
        try await attempt(Array(portion))
        // Marked at once: what is done stays done, however long the rest of the page takes.
        try await store.markDispatched(portion.map(\.id))
        state.withLock { $0.portion = settings.portionMax }
      } catch let failure as Failure {
        switch failure.blame {
        case .message:
          try await deliverOneByOne(portion)
          // Who was refused must not be overtaken by what else is on this page.
          return .more
        case .receiver:
          try await holdBack(portion, failure)
          return .held
        }
      }
    }
    return page.isFull ? .more : .idle(nextDue: page.nextDue)
  }

  /// The page in runs of documents with a bounded number of messages; a document is never split.
  private func portions(of documents: [OutboxDocument]) -> [ArraySlice<OutboxDocument>] {
    let most = state.withLock { $0.portion }
    var portions: [ArraySlice<OutboxDocument>] = []
    var start = 0
    var count = 0
    for (index, document) in documents.enumerated() {
      if index > start, count + document.messages.count > most {
        portions.append(documents[start..<index])
        start = index
        count = 0
      }
      count += document.messages.count
    }
    portions.append(documents[start...])
    return portions
  }

  private func attempt(_ documents: [OutboxDocument]) async throws {
    note { $0.attempts += 1 }
    try await deliver(documents.flatMap(messages))
    note { $0.dispatched += Int64(documents.reduce(0) { $0 + $1.messages.count }) }
  }

  /// The receiver is away, or fails over one of these: the next round tries less at a time, until a document alone is
  /// let wait and others have their turn.
  private func holdBack(_ portion: ArraySlice<OutboxDocument>, _ failure: Failure) async throws {
    if portion.count == 1, let document = portion.first {
      try await postpone(document, failure)
    } else {
      let count = portion.reduce(0) { $0 + $1.messages.count }
      state.withLock { $0.portion = max(1, count / 2) }
    }
  }

  /// Somebody in the page was refused: finds out who. The refused document holds back its own aggregate until it is
  /// delivered or parked, and nobody else. Throws when the receiver itself fails.
  private func deliverOneByOne(_ documents: ArraySlice<OutboxDocument>) async throws {
    var blocked: Set<String> = []
    for document in documents where !blocked.contains(document.aggregate) {
      do {
        try await attempt([document])
        try await store.markDispatched([document.id])
      } catch let failure as Failure where failure.blame == .message {
        let isLast = failure.isDefinite && document.attempts + 1 >= settings.refusalsMax
        if isLast, try await partWith(document, failure) { continue }
        try await postpone(document, failure)
        blocked.insert(document.aggregate)
      }
    }
  }

  private func postpone(_ document: OutboxDocument, _ failure: Failure) async throws {
    // A receiver that is away is asked for again as often as the relay asks anyway.
    let longest = failure.blame == .receiver ? settings.backoffMax : settings.delayMax
    let pause = min(settings.delayMin * (1 << min(Int(document.attempts), 20)), longest)
    try await store.postpone(document.id, by: pause * Double.random(in: 0.8...1.2))
    note { $0.postponed += 1 }
    logger.log(
      level: level(failure, document), "outbox document postponed",
      metadata: metadata(document, failure).merging(["attempts": "\(document.attempts + 1)"]) { $1 })
  }

  /// A document that is stuck is somebody's business; a first refusal may pass, and of a receiver that is away the
  /// relay tells once.
  private func level(_ failure: Failure, _ document: OutboxDocument) -> Logger.Level {
    if failure.blame == .receiver { return .debug }
    return document.attempts + 1 >= settings.refusalsMax ? .error : .warning
  }

  /// Delivers what the receiver takes of a document and parks it for the sake of the messages that it refuses: one
  /// bad message must not take those of others with it. False when it has judged not all of them.
  private func partWith(_ document: OutboxDocument, _ failure: Failure) async throws -> Bool {
    var refused: [String] = []
    for message in messages(document) {
      do {
        note { $0.attempts += 1 }
        try await deliver([message])
        note { $0.dispatched += 1 }
      } catch let failure as Failure where failure.blame == .message {
        guard failure.isDefinite else { return false }
        refused.append(message.eventID)
      }
    }
    guard !refused.isEmpty else {
      try await store.markDispatched([document.id])
      return true
    }
    logger.error(
      "outbox document parked: the receiver refuses messages of it",
      metadata: metadata(document, failure).merging(["events": "\(refused.joined(separator: " "))"]) { $1 })
    try await store.park(.objectID(document.id), reason: failure.code.rawValue, events: refused)
    note { $0.parked += 1 }
    return true
  }

  private func metadata(_ document: OutboxDocument, _ failure: Failure) -> Logger.Metadata {
    ["id": "\(document.id)", "aggregate": "\(document.aggregate)", "code": "\(failure.code.rawValue)"]
  }

  private func messages(_ document: OutboxDocument) -> [OutboxMessage] {
    document.messages.map {
      OutboxMessage(eventID: "\(service)/\($0.eventID)", topic: $0.topic, payload: $0.payload)
    }
  }

  private func note(_ change: (inout OutboxReading) -> Void) {
    state.withLock { change(&$0.reading) }
  }

  private func countBacklog() async {
    let isDue = state.withLock { $0.countedAt.map { $0.duration(to: .now) >= settings.countEvery } ?? true }
    guard isDue else { return }
    let backlog = try? await Deadline.$current.withValue(.after(settings.countEvery)) { try await store.backlog() }
    guard let backlog else { return }
    state.withLock { state in
      state.countedAt = .now
      state.reading.backlog = OutboxReading.Backlog(pending: backlog.pending, oldest: backlog.oldest)
    }
  }
}
