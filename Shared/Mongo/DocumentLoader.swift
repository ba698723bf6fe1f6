import Kernel
import Synchronization

/// Reads single documents of one collection by a unique field, and joins reads that come at the same time into one
/// command: under load many callers cost one round trip, while a lone caller waits for nobody.
///
/// At most two commands run at a time. Whoever comes while both do waits for the next one, so every read begins after
/// its caller asked: it sees what was committed by then, as `findOne` would. Fields that decide something inside a
/// transaction are read there and not here.
public final class DocumentLoader: Sendable {
  /// The keys of one command.
  static let batchMax = 64
  private static let lanesMax = 2

  private typealias Call = PendingCall<BSONDocument?>

  private struct Waiter {
    let call: Call
    let deadline: Deadline?
  }

  private struct Batch {
    var waiters: [(key: BSONValue, waiters: [Waiter])] = []

    /// As long as the most patient of the callers is willing to wait.
    var deadline: Deadline? {
      let deadlines = waiters.flatMap(\.waiters).map(\.deadline)
      return deadlines.contains(nil) ? nil : deadlines.compactMap(\.self).max()
    }
  }

  private struct State {
    var waiting: [BSONValue: [Waiter]] = [:]
    /// The keys of `waiting` in the order in which they were asked for first.
    var order: [BSONValue] = []
    var count = 0
    var lanes = 0

    /// What the next command reads, without those who have given up; nil if nobody waits.
    mutating func nextBatch() -> Batch? {
      var batch = Batch()
      var taken = 0
      for key in order {
        if batch.waiters.count == DocumentLoader.batchMax { break }
        taken += 1
        let all = waiting.removeValue(forKey: key) ?? []
        count -= all.count
        let present = all.filter { !$0.call.isGone }
        if !present.isEmpty { batch.waiters.append((key, present)) }
      }
      order.removeFirst(taken)
      return batch.waiters.isEmpty ? nil : batch
    }
  }

  private let database: MongoDatabase
  private let collection: String
  private let field: String
  private let condition: BSONDocument
  private let state = Mutex(State())

  /// - Parameters:
  ///   - field: unique in the collection, and indexed.
  ///   - condition: what else must hold of a document, for all reads.
  public init(
    _ database: MongoDatabase, _ collection: String, by field: String = "_id", where condition: BSONDocument = [:]
  ) {
    self.database = database
    self.collection = collection
    self.field = field
    self.condition = condition
  }

  /// The document with this key, nil if there is none. Throws like `MongoDatabase.run`, at the caller's own deadline;
  /// a key that cannot be one (only ids, text and int64 can) fails alone.
  public func document(_ key: BSONValue) async throws -> BSONDocument? {
    try Self.check(key)
    let isAlone = state.withLock { state in
      guard state.lanes < Self.lanesMax, state.order.isEmpty else { return false }
      state.lanes += 1
      return true
    }
    if isAlone {
      defer { goOn() }
      return try await read([key])[key]
    }
    let deadline = Deadline.current
    let call = Call()
    return try await call.value {
      call.expire(at: deadline, with: .timeout)
      self.enqueue(key, Waiter(call: call, deadline: deadline))
    }
  }

  /// Commands that run now, at most two.
  public var lanesBusy: Int { state.withLock { $0.lanes } }

  /// What waits for the next command: different keys, and all who asked for them.
  public var keysWaiting: Int { state.withLock { $0.order.count } }
  public var callersWaiting: Int { state.withLock { $0.count } }

  private static func check(_ key: BSONValue) throws(MongoFailure) {
    switch key {
    case .objectID, .string, .int64: return
    default: throw .malformedDocument("a key is \(key.typeName), which none is")
    }
  }

  private func enqueue(_ key: BSONValue, _ waiter: Waiter) {
    let (isFull, mayStart) = state.withLock { state in
      guard state.count < Limits.queueMax else { return (true, false) }
      state.count += 1
      if state.waiting[key] == nil { state.order.append(key) }
      state.waiting[key, default: []].append(waiter)
      // Both commands may have ended since the caller looked.
      guard state.lanes < Self.lanesMax else { return (false, false) }
      state.lanes += 1
      return (false, true)
    }
    if isFull { waiter.call.resolve(.failure(MongoFailure.poolExhausted)) }
    if mayStart { goOn() }
  }

  /// The owner of a lane takes what has gathered, or gives the lane back.
  private func goOn() {
    let batch = state.withLock { state in
      let batch = state.nextBatch()
      if batch == nil { state.lanes -= 1 }
      return batch
    }
    guard let batch else { return }
    Task.detached {
      await Deadline.$current.withValue(batch.deadline) { await self.serve(batch) }
      self.goOn()
    }
  }

  private func serve(_ batch: Batch) async {
    do {
      let found = try await read(batch.waiters.map(\.key))
      for (key, waiters) in batch.waiters { Self.tell(waiters, .success(found[key])) }
    } catch {
      let isEverybodys = batch.waiters.count == 1 || (error as? MongoFailure)?.isOfOneKey != true
      for (key, waiters) in batch.waiters {
        if isEverybodys {
          Self.tell(waiters, .failure(error))
        } else {
          await serveAlone(key, waiters)
        }
      }
    }
  }

  private func serveAlone(_ key: BSONValue, _ waiters: [Waiter]) async {
    do {
      Self.tell(waiters, .success(try await read([key])[key]))
    } catch {
      Self.tell(waiters, .failure(error))
    }
  }

  private static func tell(_ waiters: [Waiter], _ result: Result<BSONDocument?, any Error>) {
    for waiter in waiters { waiter.call.resolve(result) }
  }

  private func read(_ keys: [BSONValue]) async throws -> [BSONValue: BSONDocument] {
    var filter: BSONDocument = [:]
    filter.append(field, keys.count == 1 ? keys[0] : ["$in": .array(keys)])
    filter.append(contentsOf: condition)
    return try await database.run { [collection, field, filter] connection in
      var found: [BSONValue: BSONDocument] = [:]
      for document in try connection.find(collection, filter, limit: keys.count) {
        if let key = try document.value(field) { found[key] = document }
      }
      return found
    }
  }
}

extension MongoFailure {
  /// May be the fault of one of several keys that were read together, and is worth finding out.
  fileprivate var isOfOneKey: Bool {
    switch self {
    case .malformedDocument, .other, .maxTimeExpired: true
    case .duplicateKey, .writeConflict, .transientTransaction, .unknownCommitResult, .notPrimary, .network, .timeout,
      .poolExhausted, .validation, .closed:
      false
    }
  }
}
