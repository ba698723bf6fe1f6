import Kernel
public import Mongo
public import WalletDomain

/// The books in MongoDB, for the posting queue: one transaction per batch, on a logical session of its own.
public final class MongoLedgerStore: LedgerStore {
  private let database: MongoDatabase
  /// Batches are written on this lane only, so that whoever comes next can end what this process left open.
  private let lane: MongoLane
  private let wakeOutbox: @Sendable () -> Void

  private init(_ database: MongoDatabase, _ lane: MongoLane, wakeOutbox: @escaping @Sendable () -> Void) {
    self.database = database
    self.lane = lane
    self.wakeOutbox = wakeOutbox
  }

  /// Takes the books over from whoever wrote them before.
  ///
  /// A process that was killed in the middle of a transaction leaves it open at the server, which keeps its documents
  /// for up to a minute; so its session, which is on record, is ended first. Should that process be alive after all,
  /// it loses one batch and decides it again: no write counts unless the books are as it read them.
  public static func takeOver(
    _ database: MongoDatabase, wakeOutbox: @escaping @Sendable () -> Void = {}
  ) async throws -> MongoLedgerStore {
    let lane = try await database.lane()
    do {
      let session = lane.sessionID
      try await database.run { connection in
        let before = try connection.findOne(Collections.writer, WriterDocument.key)
        if let old = try before?.optionalDocument("session") { try connection.killSessions([old]) }
        _ = try connection.updateOne(
          Collections.writer, WriterDocument.key,
          ["$set": ["session": .document(session)], "$setOnInsert": ["batch": 0, "lastBatch": ""]], upsert: true)
      }
    } catch {
      await lane.close()
      throw error
    }
    return MongoLedgerStore(database, lane, wakeOutbox: wakeOutbox)
  }

  /// Gives the lane back. Nothing may be committed afterwards.
  public func close() async {
    await lane.close()
  }

  public func load(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    if let ledger = try await database.run({ try LedgerReading(needs, at: now, $0).settledLedger() }) { return ledger }
    // Reads only: running it again after a commit of unknown outcome is harmless.
    return try await database.transaction(findsItself: true) { try LedgerReading(needs, at: now, $0).ledger() }
  }

  public func commit(_ batch: LedgerBatch) async throws -> CommitOutcome {
    do {
      try await lane.transaction { try LedgerWriting(batch, $0).write() }
    } catch LedgerWriting.Lost.race {
      return .lostRace
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
    if batch.hasMessages { wakeOutbox() }
    return .committed
  }

  /// Ends the session's transaction, if it is still open, and then takes the batch's number: either that succeeds, and
  /// the batch is lost for good, or the writer document says who has it.
  public func settle(_ batch: LedgerBatch) async throws -> SettledOutcome {
    let session = lane.sessionID
    let outcome: SettledOutcome = try await database.run { connection in
      try connection.killSessions([session])
      let (filter, update) = WriterDocument.cancel(batch)
      if try connection.updateOne(Collections.writer, filter, update).matched == 1 { return .notCommitted }
      let last = try connection.findOne(Collections.writer, WriterDocument.key)?.string("lastBatch")
      if last == batch.id { return .committed }
      if last == WriterDocument.cancelled(batch) { return .notCommitted }
      // Somebody has gone on since. The batch is all there or not at all.
      return try LedgerWriting(batch, connection).isThere() ? .committed : .notCommitted
    }
    if case .committed = outcome, batch.hasMessages { wakeOutbox() }
    return outcome
  }
}
