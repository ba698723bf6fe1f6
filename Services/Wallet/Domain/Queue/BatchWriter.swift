import Kernel

/// Decides and writes what waits in line, batch after batch; the one task of a process that does.
///
/// While one batch is being committed the next is put together: its commands are looked up and decided on the books
/// that the batch under way will leave. Should that batch fail, they are decided again. Batches are committed strictly
/// one after the other, each under the lease, and nobody is answered before his own is.
actor BatchWriter {
  private let store: any LedgerStore
  private let clock: any WallClock
  private let limits: WalletLimits
  private let bounds: QueueLimits
  private let holder: @Sendable () -> String
  private let executor: (any TaskExecutor)?
  private let pause: @Sendable (Duration) async -> Void
  private let line: WaitingLine
  private let watch: WriterWatch

  /// Nil while another process holds the lease, or nobody is known to.
  private var term: WriterTerm?
  private(set) var hasResigned = false
  private var memory: WalletMemory
  private var draft = BatchDraft()
  /// Under way until everybody in it is answered, or has been decided again.
  private var flight: (batch: BatchFlight, landing: Task<BatchFlight.Landing, Never>)?
  private var landingWaiters: [CheckedContinuation<Void, Never>] = []
  private var lastSize = 1
  private var regrouping: Regrouping
  /// For the callers of a batch that was committed.
  private var replies: [@Sendable () -> Void] = []

  init(
    store: any LedgerStore, clock: any WallClock, limits: WalletLimits, bounds: QueueLimits,
    holder: @escaping @Sendable () -> String, executor: (any TaskExecutor)?,
    pause: @escaping @Sendable (Duration) async -> Void, line: WaitingLine, watch: WriterWatch
  ) {
    self.store = store
    self.clock = clock
    self.limits = limits
    self.bounds = bounds
    self.holder = holder
    self.executor = executor
    self.pause = pause
    self.line = line
    self.watch = watch
    memory = WalletMemory(max: bounds.walletsMax)
    regrouping = Regrouping(callersMax: bounds.regroupMax)
  }

  /// Until when this process holds the lease; nil if it does not.
  var holdsUntil: Deadline? { term?.until }

  /// Returns when there is nothing to do.
  func work() async {
    while true {
      switch await line.event(enough: enough, isFlying: flight != nil) {
      case .entries: await assemble()
      case .landed:
        await land()
        await regroup()
      case .lease: await keepLease()
      case .nothing: return
      }
      // First the next batch, so that the database has something to do meanwhile.
      launch()
      answer()
    }
  }

  /// While a batch is under way, commands are looked up in portions, since each look-up costs the same, however many
  /// they are; and the rest when the batch is about to land.
  private var enough: Int? {
    guard flight != nil else { return 1 }
    let room = draft.bytes < bounds.batchBytesMax ? bounds.batchMax - draft.entries.count : 0
    return room > 0 ? min(room, max(bounds.portionMin, lastSize / 4)) : nil
  }

  // MARK: Batches

  private func assemble() async {
    do {
      guard try await holdsLease() else { return }
    } catch {
      return refuseWaiting(error)
    }
    await decide(onTime(line.take(bounds.batchMax - draft.entries.count)))
  }

  /// Nobody waits any more for commands whose deadline has passed.
  private func onTime(_ entries: [QueueEntry]) -> [QueueEntry] {
    entries.filter { entry in
      guard let deadline = entry.deadline, deadline.hasPassed else { return true }
      entry.fail(Failure(.deadlineExceeded, "the posting waited too long for its turn"))
      return false
    }
  }

  /// Adds the entries to the draft, or fails them.
  private func decide(_ entries: [QueueEntry]) async {
    guard !entries.isEmpty else { return }
    // One time for the whole batch, so that rows are dated in the order in which they are committed.
    let now = clock.now()
    let context = DecisionContext(now: draft.at ?? term?.timeOfNext(now) ?? now, limits: limits)
    let needs = draft.missing(entries, &memory)
    let loaded: Ledger
    do {
      loaded =
        needs.isEmpty
        ? Ledger(batchesCommitted: 0) : try await timed { try await store.load(needs, at: context.now) }
    } catch {
      return entries.forEach { $0.fail(error) }
    }
    let first = draft.changes.count
    line.putBack(draft.decide(entries, on: loaded, context, bounds, &memory))
    draft.encode(from: first) { store.encode($0, at: $1) }
  }

  private func launch() {
    guard flight == nil, let batch = takeOff() else { return }
    let landing = Task.detached(executorPreference: executor) { [line] in
      let landing = await batch.fly { line.approaches() }
      line.landed()
      return landing
    }
    flight = (batch, landing)
  }

  /// The draft as it is; a new one is begun behind it. Nil if it is empty.
  private func takeOff() -> BatchFlight? {
    guard !draft.isEmpty else { return nil }
    guard let term, !hasResigned else {
      // The lease was given back meanwhile, or is about to be: nobody is answered from what was decided under it.
      startOver()
      return nil
    }
    let batch = BatchFlight(draft, under: term, store, bounds)
    self.term?.lastAt = draft.at
    lastSize = draft.entries.count
    draft = BatchDraft(after: draft.changes)
    return batch
  }

  private func land() async {
    guard let (batch, task) = flight else { return }
    if let lost = await settle(batch, await task.value) { await redo(batch.entries, after: lost, attempts: 1) }
    flight = nil
    landingWaiters.forEach { $0.resume() }
    landingWaiters = []
  }

  /// After a batch of few callers, answers them before the next is launched, and has them in it if they come again at
  /// once.
  private func regroup() async {
    let waiting = line.count
    let others = draft.entries.count + waiting
    guard let awaited = regrouping.awaited(after: replies.count, beside: others) else { return }
    answer()
    let timer = Task.detached(executorPreference: executor) { [line, pause, bounds] in
      await pause(bounds.regroupTime)
      if !Task.isCancelled { line.wake() }
    }
    _ = await line.event(enough: waiting + awaited, isFlying: true)
    timer.cancel()
    regrouping.came(line.count - waiting, of: awaited)
    await assemble()
  }

  private func answer() {
    replies.forEach { $0() }
    replies = []
  }

  /// Leaves the answers for `answer`, or fails everybody, unless the batch has to be decided again: then says why.
  private func settle(_ batch: BatchFlight, _ landing: BatchFlight.Landing) async -> BatchFlight.Loss? {
    switch landing {
    case .committed(let until):
      if batch.isWriting { term?.batches += 1 }
      term?.until = until
      replies += batch.replies
      return nil
    case .lost(let loss):
      if case .settledAgainst = loss { term?.batches += 1 }
      startOver()
      return loss
    case .deposed:
      startOver()
      await leaveOffice(batch.entries)
      return nil
    case .failed(let error):
      startOver()
      batch.entries.forEach { $0.fail(error) }
      return nil
    case .unknown:
      startOver()
      // The next claim raises the token: whatever is still under way conflicts with it.
      term = nil
      let failure = Failure(
        .serviceUnavailable, "the outcome is not known; send it again with the same request id")
      batch.entries.forEach { $0.fail(failure) }
      return nil
    }
  }

  /// What is remembered and drafted rests on a batch that was not committed.
  private func startOver() {
    memory.forget()
    line.putBack(draft.entries)
    draft = BatchDraft()
  }

  /// Decides the entries again on fresh books, alone; when they still collide with something that their needs did not
  /// name, in halves, so that only the culprit fails.
  private func redo(_ entries: [QueueEntry], after loss: BatchFlight.Loss?, attempts: Int) async {
    var loss = loss
    for made in attempts..<bounds.attemptsMax {
      if made > 0 { await pause(bounds.retryBase * (1 << (made - 1)) * Double.random(in: 0.8...1.2)) }
      guard term != nil else { return line.putBack(entries) }
      await decide(entries)
      guard let batch = takeOff() else { return }
      loss = await settle(batch, batch.fly())
      answer()
      if loss == nil { return }
    }
    if loss == .duplicate, entries.count > 1 {
      await redo(Array(entries.prefix(entries.count / 2)), after: nil, attempts: 0)
      await redo(Array(entries.suffix(entries.count - entries.count / 2)), after: nil, attempts: 0)
    } else {
      let failure = Failure(.walletConflict, "other writers were faster; send it again with the same request id")
      entries.forEach { $0.fail(failure) }
    }
  }

  private func timed<Value: Sendable>(_ work: () async throws -> Value) async rethrows -> Value {
    try await Deadline.$current.withValue(.after(bounds.roundTime), operation: work)
  }

  // MARK: The lease

  /// Gives the lease back, once what is under way has ended; nothing is written here afterwards.
  func resign() async {
    hasResigned = true
    if flight != nil { await withCheckedContinuation { landingWaiters.append($0) } }
    guard let term else { return }
    self.term = nil
    memory.forget()
    try? await timed { try await store.release(term) }
  }

  /// True if this process may decide: it holds the lease for all it knows, or has just taken it.
  private func holdsLease() async throws -> Bool {
    guard !hasResigned else {
      throw Failure(.serviceUnavailable, "this process is about to end", retryAfter: .milliseconds(250))
    }
    if let term {
      // A batch under way looks for itself, and renews.
      if flight != nil || !term.until.hasPassed { return true }
      return try await renew(term)
    }
    return try await claim()
  }

  /// With no batch under way: the holder never conflicts with itself.
  private func keepLease() async {
    guard !hasResigned else { return }
    do {
      if let term { _ = try await renew(term) } else { _ = try await claim() }
    } catch {
      // Without a database nobody can take it either; whoever can, may.
    }
  }

  private func renew(_ term: WriterTerm) async throws -> Bool {
    let until = Deadline.after(WriterTerm.lease)
    guard try await timed({ try await store.renew(term) }) else {
      startOver()
      await leaveOffice([])
      return false
    }
    self.term?.until = until
    return true
  }

  private func claim() async throws -> Bool {
    switch try await timed({ try await store.claim(as: holder()) }) {
    case .granted(let granted):
      startOver()
      term = granted
      watch.see(.here, token: granted.token)
      return true
    case .held(let lease):
      watch.see(lease)
      refuseWaiting(NotTheWriter(holder: lease.holder))
      return false
    }
  }

  /// Somebody else writes now: nobody is answered from what was known here.
  private func leaveOffice(_ entries: [QueueEntry]) async {
    term = nil
    let lease = try? await timed { try await store.lease() }
    if let lease, lease.holder != holder() { watch.see(lease) } else { watch.see(.here, token: nil) }
    let elsewhere = NotTheWriter(holder: lease?.holder ?? "")
    entries.forEach { $0.fail(elsewhere) }
    refuseWaiting(elsewhere)
  }

  private func refuseWaiting(_ error: any Error) {
    for entry in line.take(.max) { entry.fail(error) }
  }
}
