import Kernel

/// The books as the posting queue needs them: read what a batch looks at, then write the batch or nothing; and the
/// lease that says who writes.
///
/// Safety never rests on time: every write names the token of the lease, so that whoever has lost it, or slept through
/// its end, writes nothing any more.
public protocol LedgerStore: Sendable {
  /// What is committed of the books, for the holder of the lease: it alone changes them, and whatever it has under way
  /// it knows better itself. Not of one moment: others may commit meanwhile, and then no commit on it succeeds.
  ///
  /// Requests that are too old at `now` count as unknown. Fails with `DATABASE_UNAVAILABLE`, after attempts of its own.
  func load(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger

  /// The committed books of one moment, for answers that no commit follows, in whatever process.
  func read(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger

  /// What can be done for a commit of the changes before its turn has come; a batch carries the results in order.
  func encode(_ changes: [LedgerChange], at now: Timestamp) -> any Sendable

  /// Writes the batch in one transaction, if the lease is still held. Throws only when certainly nothing was written.
  ///
  /// `onWritten` is called, once or more, when only the commit itself is left: about as much time as a look-up takes.
  func commit(_ batch: LedgerBatch, onWritten: @escaping @Sendable () -> Void) async throws -> CommitOutcome

  /// Finds out how a commit of unknown outcome ended, and makes sure that it cannot end otherwise later.
  func settle(_ batch: LedgerBatch) async throws -> SettledOutcome

  /// Who writes; nil if nobody ever did. Reads only.
  func lease() async throws -> LeaseReading?

  /// Takes the lease if it has run out, was given back, or is `holder`'s own from an earlier life.
  func claim(as holder: String) async throws -> LeaseClaim

  /// A fence write of its own: true shows that nobody else has held the lease since it was claimed, and prolongs it.
  func renew(_ term: WriterTerm) async throws -> Bool

  /// Gives the lease back, if it is still held.
  func release(_ term: WriterTerm) async throws
}

extension LedgerStore {
  public func commit(_ batch: LedgerBatch) async throws -> CommitOutcome { try await commit(batch, onWritten: {}) }

  public func encode(_ changes: [LedgerChange], at now: Timestamp) -> any Sendable { () }
}

public enum CommitOutcome: Sendable {
  case committed
  /// A wallet or a hold is not as it was read. Nothing was written.
  case lostRace
  /// A unique key was taken. Nothing was written.
  case duplicate
  /// Somebody else has taken the lease, or committed a batch. Nothing was written.
  case deposed
  /// The reply to the commit was lost: see `LedgerStore.settle`.
  case unknown
}

public enum SettledOutcome: Sendable {
  case committed
  /// Nothing was written, and nothing will be: the batch's number is used up.
  case notCommitted
  /// Nothing was written, and nothing will be: somebody else has taken the lease.
  case deposed
}
