import Kernel

/// The books as the posting queue needs them: read what a batch looks at, then write the batch or nothing.
public protocol LedgerStore: Sendable {
  /// The books of one moment: whatever is committed later makes a commit on them fail, but answers that write nothing
  /// rest on what is read here alone.
  ///
  /// Requests that are too old at `now` count as unknown. Fails with `DATABASE_UNAVAILABLE`, after attempts of its own.
  func load(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger

  /// Writes the batch in one transaction. Throws only when certainly nothing was written.
  func commit(_ batch: LedgerBatch) async throws -> CommitOutcome

  /// Finds out how a commit of unknown outcome ended, and makes sure that it cannot end otherwise later.
  func settle(_ batch: LedgerBatch) async throws -> SettledOutcome
}

public enum CommitOutcome: Sendable {
  case committed
  /// A wallet, a hold or the number of batches has moved since the ledger was loaded. Nothing was written.
  case lostRace
  /// A unique key was taken. Nothing was written.
  case duplicate
  /// The reply to the commit was lost: see `LedgerStore.settle`.
  case unknown
}

public enum SettledOutcome: Sendable {
  case committed
  /// Nothing was written, and nothing will be.
  case notCommitted
}
