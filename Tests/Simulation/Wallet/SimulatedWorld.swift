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
  private let executor = SimulationExecutor()
  private let addresses = Addresses()
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
    processes = (0...1).map { startProcess($0) }
  }

  private mutating func startProcess(_ index: Int) -> SimulatedProcess {
    processesStarted += 1
    let process = SimulatedProcess(
      id: processesStarted, name: Cast.replica(index), books: store, clock: clock,
      turnstile: turnstile,
      outage: outage, executor: executor)
    addresses.set(process)
    return process
  }

  /// Takes steps that travel together; returns what is wrong afterwards. `first` is the number of the first of them.
  mutating func take(_ steps: [SimulationStep], first: Int) throws -> [String] {
    bursts += 1
    for incident in steps.flatMap(\.incidents) { meet(incident) }
    var arriving = network.filter { $0.due <= bursts }
    network.removeAll { $0.due <= bursts }
    var asked: [Asked] = []
    var calls: [SimulatedCall] = []
    for message in arriving {
      calls.append(call(message.operation, message.request, message.process))
    }
    arriving = []

    for (offset, step) in steps.enumerated() {
      guard let request = try request(for: step.wish) else { continue }
      let isMisuse = if case .order(_, .misuse) = step.wish { true } else { false }
      let operation = first + offset
      var own: [SimulatedCall] = []
      switch step.delivery {
      case .once, .answerLost: own = [call(operation, request, step.process, isMisuse)]
      case .twice:
        own = [
          call(operation, request, step.process, isMisuse),
          call(operation, request, 1 - step.process, isMisuse),
        ]
      case .late(let delay) where !isMisuse:
        network.append((bursts + delay, operation, request, step.process))
      case .late, .lost: break
      }
      calls += own
      if isMisuse { continue }
      let order: Int? = if case .order(let order, _) = step.wish { order } else { nil }
      asked.append(
        Asked(
          order: order, request, own, isHeard: step.delivery == .once || step.delivery == .twice))
    }
    run(SeededGenerator(seed: steps.first?.schedule ?? 0), sending: calls)
    learn(asked)
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
    case .leaseEnds: books.expireLease()
    case .restart(let process): restart(process)
    }
  }

  /// Lets requests arrive, in order, and processes go on, one call to the store at a time, until nothing moves.
  private mutating func run(_ generator: SeededGenerator, sending calls: [SimulatedCall] = []) {
    var random = generator
    var arriving = calls[...]
    for (index, process) in processes.enumerated() where !stopped.contains(index) {
      turnstile.wake(process.id)
    }
    while true {
      executor.runUntilQuiet()
      let asleep = Set(stopped.map { processes[$0].id })
      let standing = turnstile.standing
      let ready = standing.indices.filter { !asleep.contains(standing[$0]) }
      // Mostly all of them together, but some while a batch is on its way.
      if !arriving.isEmpty, ready.isEmpty || !random.happens(oncePer: 3) {
        send(arriving.removeFirst())
      } else if let next = ready.randomElement(using: &random) {
        turnstile.letThrough(next)
      } else {
        break
      }
    }
    for index in processes.indices where processes[index].store.isDead {
      processes[index].stop()
      processes[index] = startProcess(index)
    }
  }

  private mutating func restart(_ index: Int) {
    guard !stopped.contains(index) else { return }
    processes[index].stop()
    processes[index] = startProcess(index)
  }

  // MARK: - Requests and answers

  private mutating func request(for wish: Wish) throws -> SimulatedRequest? {
    switch wish {
    case .ensureWallet(let person): return try .ensureWallet(of: Cast.people[person])
    case .closeWallet(let person): return try .closeWallet(of: Cast.people[person])
    case .deposit(let person, let ref, let paise):
      // A reference stands for one amount; who repeats it repeats that.
      let amount = paise - paise % 100 + Int64(ref)
      return try .deposit(amount, as: "r\(ref)-\(amount)", to: Cast.people[person])
    case .payAgency(let ref, let paise, let isManual):
      let amount = paise - paise % 100 + Int64(ref)
      return try .payAgency(
        amount, as: "p\(ref)-\(amount)-\(isManual)", isManual ? .manual : .wallet)
    case .order(let order, let wish): return try clients[order].request(for: wish)
    case .requestPayout(let person, let number):
      return try .requestPayout(Int64(900 * number), as: "q\(number)", by: Cast.people[person])
    case .changePayout(let number, let change):
      return auditor.payout(number).map { .change($0, change) }
    case .recordPayout(let person, let ref, let isByAgency):
      let person = Cast.people[person]
      return try .recordPayout(
        Int64(100 * ref), as: "m\(ref)-\(person.id)", to: person,
        by: isByAgency ? .agency(Cast.people[1].id) : .staff)
    case .deleteRecord(let ref):
      return auditor.payout(recordedAs: { $0.hasPrefix("m\(ref)-") }).map { .change($0, .delete) }
    }
  }

  private func call(
    _ operation: Int, _ request: SimulatedRequest, _ process: Int, _ isMisuse: Bool = false
  ) -> SimulatedCall {
    SimulatedCall(
      operation: operation, request, process: process, sentAt: auditor.count,
      wasPosted: request.posting.map(auditor.isPosted) ?? false, isMisuse: isMisuse)
  }

  private mutating func send(_ call: SimulatedCall) {
    underWay.append(call)
    Task(executorPreference: executor) { [addresses, process = processes[call.process]] in
      call.end(with: await call.request.answer(from: process, addresses))
    }
  }

  /// Something that a caller has asked for in this burst.
  private struct Asked {
    /// Nil when it is about no order.
    let order: Int?
    let request: SimulatedRequest
    let calls: [SimulatedCall]
    /// An answer would reach the caller.
    let isHeard: Bool

    init(order: Int?, _ request: SimulatedRequest, _ calls: [SimulatedCall], isHeard: Bool) {
      self.order = order
      self.request = request
      self.calls = calls
      self.isHeard = isHeard
    }
  }

  /// What the callers make of the answers to this burst.
  private mutating func learn(_ asked: [Asked]) {
    for order in Set(asked.compactMap(\.order)).sorted() {
      clients[order].learn(Self.conclusion(asked.filter { $0.order == order }))
    }
    for one in asked where one.order == nil {
      guard let key = one.request.identity else { continue }
      open[key] = Self.conclusion([one]).isUnknown ? one.request : nil
    }
  }

  /// A success is a success; a refusal counts only if nothing else may still happen.
  private static func conclusion(_ asked: [Asked]) -> SimulatedAnswer {
    let heard = asked.filter(\.isHeard).flatMap(\.calls).compactMap(\.answer)
    if let done = heard.first(where: \.isDone) { return done }
    let answers = asked.flatMap(\.calls).map(\.answer)
    guard asked.allSatisfy(\.isHeard), answers.allSatisfy({ $0?.isRefused ?? false }),
      let refusal = answers.last
    else { return .unknown(nil) }
    return refusal ?? .unknown(nil)
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
      guard let answer = call.answer, answer.isDone, !call.isMisuse, let key = call.request.identity
      else { continue }
      let first = firstAnswers[key] ?? answer
      firstAnswers[key] = first
      if first != answer {
        problems.append("\(call) as \(answer.text), but first as \(first.text)")
      }
    }
    for (number, client) in clients.enumerated() where !client.isPending {
      let settled = auditor.settlements(of: Cast.order(number))
      if settled != (client.isSettled ? 1 : 0) {
        problems.append(
          "order \(number) is settled \(settled) times, and its service thinks \(client.isSettled)")
      }
    }
    return problems
  }

  /// No more trouble: whatever is under way arrives, and whoever has no answer asks until there is one.
  mutating func calmDown() throws -> [String] {
    outage.end()
    books.heal()
    stopped = []
    for process in processes { process.store.disarm() }
    run(SeededGenerator(seed: 0))
    var problems = examine()
    for message in network.indices { network[message].due = 0 }
    for round in 1...3 where problems.isEmpty {
      let steps = clients.indices.filter { round == 1 || clients[$0].isPending }.map {
        Wish.order($0, .settle)
      }
      let calm = steps.map {
        SimulationStep(
          wish: $0, process: 0, isTogether: true, delivery: .once, incidents: [], schedule: 0)
      }
      problems += try take(calm, first: 0)
      problems += try repeatOpen()
    }
    if problems.isEmpty {
      problems += clients.indices.filter { clients[$0].isPending }.map {
        "order \($0) got no answer at all"
      }
      problems += underWay.map { "\($0) at the very end" }
      let end = books.books
      problems += end.contradictions
    }
    return problems
  }

  private mutating func repeatOpen() throws -> [String] {
    let requests = open.sorted { $0.key < $1.key }.map(\.value)
    open = [:]
    let calls = requests.map { call(0, $0, 0) }
    run(SeededGenerator(seed: 0), sending: calls)
    return examine()
      + calls.compactMap { call in
        call.answer?.isUnknown ?? true ? "\(call), although all is well" : nil
      }
  }
}

/// Who is reached under which address.
final class Addresses: Sendable {
  private let processes = Mutex<[String: SimulatedProcess]>([:])

  func set(_ process: SimulatedProcess) {
    processes.withLock { $0[process.name] = process }
  }

  subscript(_ name: String) -> SimulatedProcess? { processes.withLock { $0[name] } }
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
