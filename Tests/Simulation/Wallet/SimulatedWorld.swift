import Kernel
import Synchronization
import WalletDomain
import WalletMemory

/// The processes, the database, the network between them, and everybody who calls.
struct SimulatedWorld {
  private let books: InMemoryLedger
  private let store: any LedgerStore
  private let clock = SimulatedClock()
  private let turnstile = Turnstile()
  private let outage = Outage()
  private var processes: [SimulatedProcess] = []
  private var processesStarted = 0
  /// Which of the two stand still.
  private var stopped: Set<Int> = []
  private var clients = Cast.orders.map(OrderClient.init(order:))
  private var auditor = LedgerAuditor(limits: Cast.limits)

  private var bursts = 0
  /// Messages that will arrive later.
  private var network: [(due: Int, operation: Int, request: SimulatedRequest, process: Int)] = []
  private var underWay: [SimulatedCall] = []
  /// Deposits and openings without a definite answer.
  private var open: [String: SimulatedRequest] = [:]
  private var firstAnswers: [String: SimulatedAnswer] = [:]
  private(set) var trace: [String] = []

  init(_ bug: PlantedBug?) {
    let books = InMemoryLedger()
    self.books = books
    store = bug.map { FlawedStore($0, books) } ?? books
    processes = (0...1).map { _ in startProcess() }
  }

  private mutating func startProcess() -> SimulatedProcess {
    processesStarted += 1
    return SimulatedProcess(
      id: processesStarted, books: store, clock: clock, turnstile: turnstile, outage: outage)
  }

  /// Takes steps that travel together; returns what is wrong afterwards. `first` is the number of the first of them.
  mutating func take(_ steps: [SimulationStep], first: Int) async throws -> [String] {
    bursts += 1
    for incident in steps.flatMap(\.incidents) { meet(incident) }
    var arriving = network.filter { $0.due <= bursts }
    network.removeAll { $0.due <= bursts }
    var heard: [String: [SimulatedCall]] = [:]
    var asked: [(SimulatedRequest, isHeard: Bool)] = []
    var calls: [SimulatedCall] = []
    for message in arriving { calls.append(call(message.operation, message.request, message.process)) }
    arriving = []

    for (offset, step) in steps.enumerated() {
      guard let request = try request(for: step.wish) else { continue }
      let isMisuse = if case .misuse = step.wish { true } else { false }
      let operation = first + offset
      var own: [SimulatedCall] = []
      switch step.delivery {
      case .once, .answerLost: own = [call(operation, request, step.process, isMisuse)]
      case .twice:
        own = [call(operation, request, step.process, isMisuse), call(operation, request, 1 - step.process, isMisuse)]
      case .late(let delay) where !isMisuse:
        network.append((bursts + delay, operation, request, step.process))
      case .late, .lost: break
      }
      calls += own
      if isMisuse { continue }
      asked.append((request, isHeard: step.delivery == .once || step.delivery == .twice))
      heard[request.identity, default: []] += own
    }
    for call in calls { await send(call) }
    await run(SeededGenerator(seed: steps.first?.schedule ?? 0))
    learn(asked, heard)
    return examine()
  }

  // MARK: - What happens to processes and database

  private mutating func meet(_ incident: Incident) {
    switch incident {
    case .crash(let process, let afterWriting):
      processes[process].store.arm(afterWriting ? .afterWriting : .beforeWriting)
    case .stop(let process): stopped.insert(process)
    case .proceed(let process): stopped.remove(process)
    case .commitFaults(let faults): books.inject(faults)
    case .election(let calls): outage.begin(calls: calls)
    case .clock(let milliseconds): clock.advance(by: .milliseconds(milliseconds))
    }
  }

  /// Lets processes go on, one call to the store at a time, until nothing moves any more.
  private mutating func run(_ generator: SeededGenerator) async {
    var random = generator
    while true {
      await turnstile.quiet()
      let standing = turnstile.standing
      let ready = processes.indices.filter { !stopped.contains($0) && standing.contains(processes[$0].id) }
      guard let next = ready.randomElement(using: &random) else { break }
      turnstile.letThrough(processes[next].id)
    }
    for index in processes.indices where processes[index].store.isDead { processes[index] = startProcess() }
  }

  // MARK: - Requests and answers

  private mutating func request(for wish: Wish) throws -> SimulatedRequest? {
    switch wish {
    case .ensureWallet(let person):
      let person = Cast.people[person]
      return .ensureWallet(try EnsureWallet(owner: person.id, kind: person.kind, actor: .system))
    case .deposit(let person, let ref, let paise):
      // A reference stands for one amount; who repeats it repeats that.
      let amount = paise - paise % 100 + Int64(ref)
      let person = Cast.people[person]
      let deposit = try Deposit(
        owner: person.id, amount: Money(paise: amount), ref: "r\(ref)-\(amount)", actor: .system,
        opening: person.kind, limits: Cast.limits)
      return .deposit(deposit)
    case .lock(let order), .release(let order), .settle(let order), .misuse(let order):
      return try clients[order].request(for: wish)
    }
  }

  private func call(
    _ operation: Int, _ request: SimulatedRequest, _ process: Int, _ isMisuse: Bool = false
  ) -> SimulatedCall {
    SimulatedCall(
      operation: operation, request, process: process, sentAt: auditor.count,
      wasPosted: request.posting.map(auditor.isPosted) ?? false, isMisuse: isMisuse)
  }

  /// Returns when the request has its place: in the queue, or as the first of a batch before the turnstile.
  private mutating func send(_ call: SimulatedCall) async {
    let process = processes[call.process]
    let isIdle = turnstile.isIdle(process.id)
    underWay.append(call)
    turnstile.requestSent(to: process.id)
    let place = Place()
    Task { [turnstile] in
      let answer = await call.request.answer(from: process.queue) { place.take() }
      call.end(with: answer)
      place.take()
      turnstile.requestAnswered(by: process.id)
    }
    await place.taken()
    if isIdle { await turnstile.quiet() }
  }

  /// What the callers make of the answers to this burst.
  private mutating func learn(_ asked: [(SimulatedRequest, isHeard: Bool)], _ calls: [String: [SimulatedCall]]) {
    var learned: Set<String> = []
    for (request, _) in asked where learned.insert(request.identity).inserted {
      let isHeard = asked.contains { $0.0.identity == request.identity && $0.isHeard }
      let allHeard = asked.allSatisfy { $0.0.identity != request.identity || $0.isHeard }
      let answers = (calls[request.identity] ?? []).map(\.answer)
      let answer = Self.conclusion(answers, isHeard: isHeard, allHeard: allHeard)
      switch request {
      case .ensureWallet, .deposit:
        if case .unknown = answer { open[request.identity] = request } else { open[request.identity] = nil }
      case .lock(let command): clients[Cast.number(of: command.number.order)].learn(answer)
      case .release(let command): clients[Cast.number(of: command.number.order)].learn(answer)
      case .settle(let command): clients[Cast.number(of: command.order)].learn(answer)
      }
    }
  }

  /// A success is a success; a refusal counts only if nothing else may still happen.
  private static func conclusion(_ answers: [SimulatedAnswer?], isHeard: Bool, allHeard: Bool) -> SimulatedAnswer {
    let known = answers.compactMap { $0 }
    if isHeard, let done = known.first(where: { if case .done = $0 { true } else { false } }) { return done }
    let refusals = known.filter { if case .refused = $0 { true } else { false } }
    guard allHeard, !answers.isEmpty, refusals.count == answers.count, let refusal = refusals.last else {
      return .unknown(nil)
    }
    return refusal
  }

  // MARK: - What must hold

  private mutating func examine() -> [String] {
    var problems: [String] = []
    for batch in books.batches(from: auditor.count) { problems += auditor.examine(batch) }
    let ended = underWay.filter { $0.answer != nil }
    underWay.removeAll { $0.answer != nil }
    for call in ended {
      trace.append("\(call)")
      problems += call.contradictions(with: auditor)
      guard case .done(let text)? = call.answer, !call.isMisuse else { continue }
      let first = firstAnswers[call.request.identity] ?? .done(text)
      firstAnswers[call.request.identity] = first
      if first != .done(text) { problems.append("\(call), but the first answer was \(first)") }
    }
    for (number, client) in clients.enumerated() where client.pending == nil {
      let settled = auditor.settlements(of: Cast.order(number))
      if settled != (client.isSettled ? 1 : 0) {
        problems.append("order \(number) is settled \(settled) times, its service thinks \(client.isSettled)")
      }
    }
    return problems
  }

  /// No more trouble: whatever is under way arrives, and whoever has no answer asks until there is one.
  mutating func calmDown() async throws -> [String] {
    outage.end()
    books.heal()
    stopped = []
    for process in processes { process.store.disarm() }
    await run(SeededGenerator(seed: 0))
    var problems = examine()
    for message in network.indices { network[message].due = 0 }
    for round in 1...3 where problems.isEmpty {
      var steps = clients.indices.filter { clients[$0].pending != nil }.map { Wish.settle(order: $0) }
      if round == 1 { steps += clients.indices.map { Wish.settle(order: $0) } }
      let calm = steps.map {
        SimulationStep(wish: $0, process: 0, isTogether: true, delivery: .once, incidents: [], schedule: 0)
      }
      problems += try await take(calm, first: 0)
      problems += try await repeatOpen()
    }
    if problems.isEmpty {
      problems += clients.filter { $0.pending != nil }.map { "\(String(describing: $0.pending)) got no answer at all" }
      problems += underWay.map { "\($0) at the very end" }
      let end = books.books
      problems += end.contradictions
    }
    return problems
  }

  private mutating func repeatOpen() async throws -> [String] {
    let requests = open.sorted { $0.key < $1.key }.map(\.value)
    open = [:]
    let calls = requests.map { call(0, $0, 0) }
    for call in calls { await send(call) }
    await run(SeededGenerator(seed: 0))
    return examine()
      + calls.compactMap { call in
        if case .unknown = call.answer { "\(call), although all is well" } else { nil }
      }
  }
}

/// Signals once that a request has its place.
private final class Place: Sendable {
  private struct State {
    var isTaken = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Mutex(State())

  func take() {
    state.withLock { state in
      state.isTaken = true
      defer { state.waiter = nil }
      return state.waiter
    }?.resume()
  }

  func taken() async {
    await withCheckedContinuation { continuation in
      let isTaken = state.withLock { state in
        if !state.isTaken { state.waiter = continuation }
        return state.isTaken
      }
      if isTaken { continuation.resume() }
    }
  }
}

/// The database's absence: it answers none of the next calls, whoever makes them.
final class Outage: Sendable {
  private let left = Mutex(0)

  func begin(calls: Int) { left.withLock { $0 = calls } }
  func end() { left.withLock { $0 = 0 } }

  /// Fails while it lasts.
  func strike() throws(Failure) {
    let strikes = left.withLock { left in
      guard left > 0 else { return false }
      left -= 1
      return true
    }
    if strikes { throw Failure(.databaseUnavailable, "the database is away") }
  }
}

final class SimulatedClock: WallClock {
  private let time = Mutex(Timestamp(milliseconds: 1_700_000_000_000))

  func now() -> Timestamp { time.withLock { $0 } }

  func advance(by duration: Duration) {
    time.withLock { $0 = $0.advanced(by: duration) }
  }
}
