import Kernel
import WalletDomain

/// A command on its way, with all its numbers.
enum SimulatedRequest: Sendable {
  case ensureWallet(EnsureWallet)
  case deposit(Deposit)
  case lock(LockOrderFunds)
  case release(ReleaseOrderFunds)
  case settle(SettleOrderFunds)

  /// Sends it and waits. `onArrival` is called when the command has its place in the queue.
  func answer(from queue: PostingQueue, onArrival: @escaping @Sendable () -> Void) async -> SimulatedAnswer {
    switch self {
    case .ensureWallet(let command): await Self.send(command, to: queue, onArrival) { $0.id.rawValue }
    case .deposit(let command): await Self.send(command, to: queue, onArrival) { $0.row.id.rawValue }
    case .lock(let command): await Self.send(command, to: queue, onArrival) { "\($0)" }
    case .release(let command): await Self.send(command, to: queue, onArrival) { "\($0)" }
    case .settle(let command): await Self.send(command, to: queue, onArrival) { $0.text }
    }
  }

  private static func send<Command: LedgerCommand>(
    _ command: Command, to queue: PostingQueue, _ onArrival: @escaping @Sendable () -> Void,
    text: (Command.Answer) -> String
  ) async -> SimulatedAnswer {
    var attempts = 0
    while true {
      attempts += 1
      do {
        switch try await queue.perform(Announced(command, onArrival)) {
        case .applied(let answer), .replayed(let answer): return .done(text(answer))
        case .stored: return .refused(.internalError)
        }
      } catch is NotTheWriter where attempts < 3 {
        // As the process does: the lease may be had again.
        continue
      } catch {
        return Self.answer(error)
      }
    }
  }

  private static func answer(_ error: any Error) -> SimulatedAnswer {
    switch error {
    case is SimulatedProcess.Death: return .unknown(nil)
    case is NotTheWriter: return .unknown(.serviceUnavailable)
    default:
      guard let code = (error as? Failure)?.code else { return .refused(.internalError) }
      switch code.kind {
      case .unavailable, .aborted, .deadlineExceeded: return .unknown(code)
      default: return .refused(code)
      }
    }
  }

  /// The key that it posts under; nil when it posts nothing.
  var posting: String? {
    switch self {
    case .ensureWallet: nil
    case .deposit(let command): "brand_deposit:\(command.owner):\(command.ref)"
    case .lock(let command): "order-lock:\(command.number.order):\(command.number.seq)"
    case .release(let command): "order-release:\(command.number.order):\(command.number.seq)"
    case .settle(let command):
      "order-settle:\(command.order):\(command.seq)" + (command.voidedTries == 0 ? "" : "~\(command.voidedTries)")
    }
  }

  /// What repeats of it share; two of them done have one answer.
  var identity: String {
    switch self {
    case .ensureWallet(let command): "wallet of \(command.owner)"
    case .deposit, .lock, .release: posting ?? ""
    // Under whichever suffix it is tried, a settlement has one outcome.
    case .settle(let command): "order-settle:\(command.order):\(command.seq)"
    }
  }

  /// Whose available money it takes, and how much of it.
  var debits: [(owner: UserID, amount: Money)] {
    switch self {
    case .ensureWallet, .deposit, .release: []
    case .lock(let command): [(command.terms.owner, command.terms.total)]
    case .settle(let command): [(command.terms.owner, command.terms.total)]
    }
  }

  /// Who gets spendable money, and how much.
  var credits: [(owner: UserID, amount: Money)] {
    switch self {
    case .ensureWallet, .lock, .release: []
    case .deposit(let command): [(command.owner, command.amount)]
    case .settle(let command):
      [(command.terms.buyer, command.terms.commission), (command.terms.mediator, command.terms.margin)]
    }
  }

  /// The hold that it names.
  var hold: HoldNumber? {
    switch self {
    case .ensureWallet, .deposit: nil
    case .lock(let command): command.number
    case .release(let command): command.number
    case .settle(let command): command.hold
    }
  }

  /// Everybody whose wallet it needs.
  var parties: [UserID] {
    switch self {
    case .ensureWallet, .release: []
    case .deposit(let command): [command.owner]
    case .lock(let command): [command.terms.owner, command.terms.buyer, command.terms.mediator]
    case .settle(let command): [command.terms.owner, command.terms.buyer, command.terms.mediator]
    }
  }
}

extension SimulatedRequest: CustomStringConvertible {
  var description: String {
    switch self {
    case .ensureWallet(let command): "ensure wallet of \(Cast.name(command.owner))"
    case .deposit(let command): "deposit \(command.amount.paise) as \(command.ref) to \(Cast.name(command.owner))"
    case .lock(let command):
      "lock \(Cast.number(of: command.number.order)).\(command.number.seq), \(command.terms.total.paise)"
        + " of \(Cast.name(command.terms.owner))"
    case .release(let command): "release \(Cast.number(of: command.number.order)).\(command.number.seq)"
    case .settle(let command):
      "settle \(Cast.number(of: command.order)).\(command.seq)~\(command.voidedTries),"
        + " hold \(command.hold?.seq ?? 0), \(command.terms.total.paise) of \(Cast.name(command.terms.owner))"
        + (command.resolve ? ", resolving" : "")
    }
  }
}

/// What the caller hears.
enum SimulatedAnswer: Hashable, Sendable, CustomStringConvertible {
  case done(String)
  case refused(ErrorCode)
  /// The caller does not know: it will send the request again. Nil when nothing was heard at all.
  case unknown(ErrorCode?)

  var description: String {
    switch self {
    // Without the text: ids are new in every run, and a story is the same each time it is told.
    case .done: "done"
    case .refused(let code): code.rawValue
    case .unknown(let code): code.map { "\($0.rawValue), outcome unknown" } ?? "silence"
    }
  }
}

/// A command that tells when the queue looks at it first, which is when it has its place.
private struct Announced<Command: LedgerCommand>: LedgerCommand {
  let command: Command
  let onArrival: @Sendable () -> Void

  init(_ command: Command, _ onArrival: @escaping @Sendable () -> Void) {
    self.command = command
    self.onArrival = onArrival
  }

  var needs: LedgerNeeds {
    onArrival()
    return command.needs
  }

  func replay(in ledger: Ledger) throws(Failure) -> Command.Answer? { try command.replay(in: ledger) }

  func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Command.Answer> {
    try command.decide(on: ledger, context)
  }
}
