import Kernel
public import Mongo
public import WalletDomain

/// The books in MongoDB, for the posting queue: one transaction per batch, on a logical session of its own.
public final class MongoLedgerStore: LedgerStore {
  private let database: MongoDatabase
  /// Batches are written on this lane only, so that whoever comes next can end what this process left open.
  private let lane: MongoLane
  private let wakeOutbox: @Sendable () -> Void

  /// Connects; the lease is taken by the posting queue.
  public init(_ database: MongoDatabase, wakeOutbox: @escaping @Sendable () -> Void = {}) async throws {
    self.database = database
    self.wakeOutbox = wakeOutbox
    lane = try await database.lane()
  }

  /// Gives the lane back. Nothing may be committed afterwards.
  public func close() async {
    await lane.close()
  }

  // MARK: Reading

  /// The queries that do not build on each other are sent at once, for the sake of a caller who is alone.
  public func load(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    @Sendable func read<Value: Sendable>(
      _ part: @escaping @Sendable (LedgerReading) throws -> [Value]
    ) async throws -> [Value] {
      try await database.run { try part(LedgerReading(needs, at: now, $0)) }
    }
    async let named = needs.owners.isEmpty ? [] : read { try $0.wallets(of: needs.owners) }
    async let holds = needs.orders.isEmpty ? [] : read { try $0.holds() }
    async let postings = needs.hasPostings ? read { try $0.postings() } : []
    async let voided = needs.voidable.isEmpty ? [] : read { try $0.voided() }
    async let requests = needs.requests.isEmpty ? [] : read { try $0.requests() }
    async let payouts = needs.hasPayouts ? read { try $0.payouts() } : []
    let parts = try await (holds: holds, postings: postings, payouts: payouts)
    let further = LedgerReading.owners(needs, parts.holds, parts.postings, parts.payouts).subtracting(needs.owners)
    let others = further.isEmpty ? [] : try await read { try $0.wallets(of: further) }
    return Ledger(
      batchesCommitted: 0, wallets: try await named + others, holds: parts.holds, postings: parts.postings,
      voided: try await voided, requests: try await requests, payouts: parts.payouts)
  }

  public func read(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    if let ledger = try await database.run({ try LedgerReading(needs, at: now, $0).settledLedger() }) { return ledger }
    // Reads only: running it again after a commit of unknown outcome is harmless.
    return try await database.transaction(findsItself: true) {
      try LedgerReading(needs, at: now, $0).ledgerOfTransaction()
    }
  }

  // MARK: Writing

  public func encode(_ changes: [LedgerChange], at now: Timestamp) -> any Sendable {
    EncodedChanges(changes, at: now)
  }

  public func commit(
    _ batch: LedgerBatch, onWritten: @escaping @Sendable () -> Void
  ) async throws -> CommitOutcome {
    let documents = try BatchDocuments(batch)
    do {
      try await lane.transaction { connection in
        try LedgerWriting(batch, documents, connection).write()
        onWritten()
      }
    } catch let lost as LedgerWriting.Lost {
      switch lost {
      case .race: return .lostRace
      case .lease: return .deposed
      }
    } catch let failure as MongoFailure {
      switch failure {
      case .duplicateKey: return .duplicate
      // A commit that the deadline cut off may still go through.
      case .unknownCommitResult, .timeout: return .unknown
      // The database layer has tried as often as is sensible.
      case .writeConflict: throw Failure(.walletConflict, "other writers were faster", retriesExhausted: true)
      default: throw failure
      }
    }
    if !documents.messages.isEmpty { wakeOutbox() }
    return .committed
  }

  /// Ends the session's transaction, if it is still open, and then takes the batch's number: either that succeeds, and
  /// the batch is lost for good, or the writer document says who has it.
  public func settle(_ batch: LedgerBatch) async throws -> SettledOutcome {
    let session = lane.sessionID
    let outcome: SettledOutcome = try await database.run { connection in
      try connection.killSessions([session])
      let (filter, update) = WriterDocument.cancel(batch)
      if try connection.updateOne(Collections.writer, filter, pipeline: update).matched == 1 { return .notCommitted }
      let writer = try connection.findOne(Collections.writer, WriterDocument.key)
      let last = try writer?.string("lastBatch")
      if last == batch.id { return .committed }
      if last == WriterDocument.cancelled(batch) { return .notCommitted }
      // Somebody has gone on since. The batch is all there or not at all, and no longer under way: under its token
      // nothing can be committed any more.
      return try batch.isThere(connection) ? .committed : .deposed
    }
    if case .committed = outcome { wakeOutbox() }
    return outcome
  }

  // MARK: The lease

  public func lease() async throws -> LeaseReading? {
    try await database.run { try WriterLease($0).reading() }
  }

  /// A process that was killed in the middle of a transaction leaves it open at the server, which keeps its documents
  /// for up to a minute; so its session, which is on record, is ended first. Should that process be alive after all,
  /// it has slept through its lease, and what it had under way is lost with it.
  public func claim(as holder: String) async throws -> LeaseClaim {
    let session = lane.sessionID
    return try await database.run { try WriterLease($0).claim(as: holder, session: session) }
  }

  public func renew(_ term: WriterTerm) async throws -> Bool {
    let (filter, update) = WriterDocument.renewal(term)
    return try await database.run { try $0.updateOne(Collections.writer, filter, pipeline: update).matched == 1 }
  }

  public func release(_ term: WriterTerm) async throws {
    let (filter, update) = WriterDocument.release(term)
    _ = try await database.run { try $0.updateOne(Collections.writer, filter, pipeline: update) }
  }
}
