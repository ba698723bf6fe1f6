import Kernel

/// The next batch while it is put together: its commands are decided one after the other, each on the books that its
/// predecessors leave, those of the batch under way included.
struct BatchDraft {
  private(set) var entries: [QueueEntry] = []
  /// What the callers are told once the batch is committed.
  private(set) var replies: [@Sendable () -> Void] = []
  private(set) var changes: [LedgerChange] = []
  private(set) var encoded: [any Sendable] = []
  private(set) var bytes = 0
  /// When the first command was decided: the time of the whole batch.
  private(set) var at: Timestamp?
  /// What the commands looked at, as they leave it.
  private(set) var ledger: Ledger
  private var baseline = LedgerBatch.Baseline()

  /// `predecessors` are the changes of the batch under way, which the store does not show yet.
  init(after predecessors: [LedgerChange] = []) {
    ledger = Ledger(batchesCommitted: 0)
    for change in predecessors { ledger.apply(change) }
  }

  var isEmpty: Bool { entries.isEmpty }

  /// What has to be read before the entries can be decided: wallets that are remembered need not be.
  mutating func missing(_ entries: [QueueEntry], _ memory: inout WalletMemory) -> LedgerNeeds {
    var needs = LedgerNeeds()
    for entry in entries { needs.formUnion(entry.needs) }
    for owner in needs.owners {
      if ledger.wallets[owner] == nil, let wallet = memory.wallet(of: owner) { ledger.learn(wallet) }
    }
    needs.owners = needs.owners.filter { ledger.wallets[$0] == nil }
    return needs
  }

  /// Decides the entries in order, on what was read for them. Returns those for whom there is no room any more.
  mutating func decide(
    _ entries: [QueueEntry], on loaded: Ledger, _ context: DecisionContext, _ bounds: QueueLimits,
    _ memory: inout WalletMemory
  ) -> ArraySlice<QueueEntry> {
    ledger.learn(loaded)
    for owner in loaded.wallets.keys {
      if let wallet = ledger.wallets[owner] { memory.remember(wallet) }
    }
    at = context.now
    for (index, entry) in entries.enumerated() {
      guard bytes < bounds.batchBytesMax else { return entries[index...] }
      let verdict = entry.decide(ledger, context)
      if let change = verdict.change { add(change, &memory) }
      self.entries.append(entry)
      replies.append(verdict.reply)
    }
    return []
  }

  private mutating func add(_ change: LedgerChange, _ memory: inout WalletMemory) {
    baseline.note(change, on: ledger)
    ledger.apply(change)
    for wallet in change.wallets {
      if wallet.closedAt == nil { memory.remember(wallet) } else { memory.forget(wallet.owner) }
    }
    bytes += change.bytesAbout
    changes.append(change)
  }

  /// What the store can do beforehand for the changes from `first` on.
  mutating func encode(from first: Int, _ encode: ([LedgerChange], Timestamp) -> any Sendable) {
    guard first < changes.count, let at else { return }
    encoded.append(encode(Array(changes[first...]), at))
  }

  /// Nil when no command changes anything.
  func batch(under term: WriterTerm) -> LedgerBatch? {
    guard !changes.isEmpty, let at else { return nil }
    return LedgerBatch(changes, encoded: encoded, since: baseline, on: ledger, under: term, at: at)
  }
}

extension LedgerChange {
  /// What it takes in the transaction, generously: rows and their part of the outbox make nearly all of it.
  fileprivate var bytesAbout: Int {
    var bytes = 200 * wallets.count + 300 * holds.count + 200 * voided.count
    for posting in postings {
      for row in posting.rows {
        bytes += 900 + 2 * posting.key.text.utf8.count
        for (key, value) in row.leg.metadata { bytes += key.utf8.count + value.utf8.count + 8 }
      }
    }
    for request in requests { bytes += 300 + request.response.count }
    bytes += 1_500 * payouts.count + 2_000 * records.count + 500 * events.count + 200 * reversed.count
    return bytes
  }
}
