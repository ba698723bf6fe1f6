import Kernel
import Logging
import Mongo

/// Carries the outbox to its receiver: at least once, in order within an aggregate, for as long as it takes.
///
/// Several relays may run at once, one per replica; the receiver stores an event id once. Pauses are counted on the
/// monotonic clock and kept in memory, so neither a clock jump nor a restart holds anything back for long.
public final class OutboxRelay: Sendable {
  /// Messages, oldest first. Returns when the receiver has all of them; throws `Failure` otherwise.
  public typealias Deliver = @Sendable ([OutboxMessage]) async throws -> Void

  struct Settings: Sendable {
    /// The longest time until a message is noticed whose `wake` was lost.
    var pollEvery = Duration.milliseconds(250)
    var backoffMin = Duration.milliseconds(250)
    var backoffMax = Duration.seconds(10)
    /// Messages that are delivered, and marked as delivered, together.
    var portionMax = 1_000
    /// Definite refusals of one document before it is parked.
    var refusalsMax: Int32 = 5
    /// One round: reading, delivering, marking.
    var roundMax = Duration.seconds(30)
  }

  /// What one round found.
  enum Round: Sendable, Equatable {
    /// Nothing left to deliver.
    case idle
    /// There is more to deliver now.
    case more
    /// The receiver cannot take messages now, or has refused one.
    case held
  }

  private let store: OutboxStore
  private let service: String
  private let deliver: Deliver
  private let logger: Logger
  private let settings: Settings
  private let signal = WakeSignal()

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
  }

  /// Something was appended and committed: deliver it now. Forgetting to call it costs only time.
  public func wake() {
    signal.set()
  }

  /// Relays until its task is cancelled.
  public func run() async {
    var backoff = settings.backoffMin
    var isHeld = false
    while !Task.isCancelled {
      let round = await guardedRound()
      if round == .held {
        if !isHeld { logger.warning("outbox delivery held back", metadata: ["service": "\(service)"]) }
        isHeld = true
        // Not cut short by `wake`: new messages do not make the receiver any healthier.
        do { try await Task.sleep(for: backoff) } catch { return }
        backoff = min(backoff * 2, settings.backoffMax)
        continue
      }
      if isHeld { logger.info("outbox delivery resumed", metadata: ["service": "\(service)"]) }
      isHeld = false
      backoff = settings.backoffMin
      if round == .idle { await signal.wait(atMost: settings.pollEvery) }
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

  /// Delivers one page. Throws what the database or the receiver could not do for now.
  func round() async throws -> Round {
    let page = try await store.pending()
    for id in page.unreadable {
      logger.error("outbox document parked: it cannot be read", metadata: ["id": "\(id)"])
      try await store.park(id, reason: "unreadable")
    }
    guard !page.documents.isEmpty else { return page.unreadable.isEmpty ? .idle : .more }
    for portion in portions(of: page.documents) {
      do {
        try await deliver(portion.flatMap(messages))
      } catch let failure as Failure where failure.isDefinite {
        return try await deliverOneByOne(portion)
      }
      // Marked at once: what is done stays done, however long the rest of the page takes.
      try await store.markDispatched(portion.map(\.id))
    }
    return page.isFull ? .more : .idle
  }

  /// The page in runs of documents with a bounded number of messages; a document is never split.
  private func portions(of documents: [OutboxDocument]) -> [ArraySlice<OutboxDocument>] {
    var portions: [ArraySlice<OutboxDocument>] = []
    var start = 0
    var count = 0
    for (index, document) in documents.enumerated() {
      if index > start, count + document.messages.count > settings.portionMax {
        portions.append(documents[start..<index])
        start = index
        count = 0
      }
      count += document.messages.count
    }
    portions.append(documents[start...])
    return portions
  }

  /// Somebody in the page was refused: finds out who. The refused document holds back its own aggregate until it is
  /// parked, and nobody else.
  private func deliverOneByOne(_ documents: ArraySlice<OutboxDocument>) async throws -> Round {
    var blocked: Set<String> = []
    for document in documents where !blocked.contains(document.aggregate) {
      do {
        try await deliver(messages(document))
        try await store.markDispatched([document.id])
      } catch let failure as Failure where failure.isDefinite {
        let metadata: Logger.Metadata = [
          "id": "\(document.id)", "aggregate": "\(document.aggregate)", "code": "\(failure.code.rawValue)",
        ]
        if document.attempts + 1 >= settings.refusalsMax {
          try await partWith(document, failure, metadata)
        } else {
          logger.warning("outbox document refused", metadata: metadata)
          try await store.countRefusal(document.id)
          blocked.insert(document.aggregate)
        }
      }
    }
    return blocked.isEmpty ? .more : .held
  }

  /// Delivers what the receiver takes of a document and parks it for the sake of the messages that it refuses: one
  /// bad message must not take those of others with it.
  private func partWith(_ document: OutboxDocument, _ failure: Failure, _ metadata: Logger.Metadata) async throws {
    var refused: [String] = []
    for message in messages(document) {
      do {
        try await deliver([message])
      } catch let failure as Failure where failure.isDefinite {
        refused.append(message.eventID)
      }
    }
    guard !refused.isEmpty else { return try await store.markDispatched([document.id]) }
    logger.error(
      "outbox document parked: the receiver refuses messages of it",
      metadata: metadata.merging(["events": "\(refused.joined(separator: " "))"]) { _, new in new })
    try await store.park(.objectID(document.id), reason: failure.code.rawValue, events: refused)
  }

  private func messages(_ document: OutboxDocument) -> [OutboxMessage] {
    document.messages.map {
      OutboxMessage(eventID: "\(service)/\($0.eventID)", topic: $0.topic, payload: $0.payload)
    }
  }
}

extension Failure {
  /// The receiver has judged the message itself: sending it again gets the same answer. Everything else, an internal
  /// failure and missing permission included, may pass.
  fileprivate var isDefinite: Bool {
    switch kind {
    case .invalidArgument, .failedPrecondition, .notFound, .alreadyExists: true
    case .unauthenticated, .permissionDenied, .aborted, .resourceExhausted, .unimplemented, .unavailable,
      .deadlineExceeded, .internal:
      false
    }
  }
}
