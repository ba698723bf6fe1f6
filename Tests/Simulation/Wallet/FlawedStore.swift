import Kernel
import Synchronization
import WalletDomain

/// A mistake that is made on purpose, to show that the simulation finds it.
public enum PlantedBug: String, CaseIterable, Sendable {
  /// A refusal that was final is not looked up.
  case forgetsRefusals
  /// Some batches are reported as committed and are not.
  case losesCommits
  /// Books that were read once are believed for ever.
  case trustsMemory
}

/// The books with a planted bug.
final class FlawedStore: LedgerStore {
  private let bug: PlantedBug
  private let books: any LedgerStore
  private let memory = Mutex<[LedgerNeeds: Ledger]>([:])

  init(_ bug: PlantedBug, _ books: any LedgerStore) {
    self.bug = bug
    self.books = books
  }

  func load(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    var asked = needs
    if bug == .forgetsRefusals { asked.voidable = [] }
    if bug == .trustsMemory, let known = memory.withLock({ $0[needs] }) { return known }
    let ledger = try await books.load(asked, at: now)
    if bug == .trustsMemory { memory.withLock { $0[needs] = ledger } }
    return ledger
  }

  func commit(_ batch: LedgerBatch, onWritten: @escaping @Sendable () -> Void) async throws -> CommitOutcome {
    if bug == .losesCommits, batch.number.isMultiple(of: 5), !batch.rows.isEmpty {
      return .committed
    }
    return try await books.commit(batch, onWritten: onWritten)
  }

  func read(_ needs: LedgerNeeds, at now: Timestamp) async throws -> Ledger {
    try await books.read(needs, at: now)
  }
  func settle(_ batch: LedgerBatch) async throws -> SettledOutcome { try await books.settle(batch) }
  func lease() async throws -> LeaseReading? { try await books.lease() }
  func claim(as holder: String) async throws -> LeaseClaim { try await books.claim(as: holder) }
  func renew(_ term: WriterTerm) async throws -> Bool { try await books.renew(term) }
  func release(_ term: WriterTerm) async throws { try await books.release(term) }
}
