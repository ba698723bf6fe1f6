import Kernel
import WalletDomain

/// A command on its way, and what can be said of it without looking into the domain.
struct SimulatedRequest: Sendable {
  /// For people.
  let text: String
  /// What repeats of it share: two of them done have one answer. Nil when a repeat may rightly get another.
  var identity: String?
  /// The key that it posts under; nil when it posts nothing, or its answer tells.
  var posting: String?
  /// True if the answer is the key that was posted, which an earlier try may have been.
  var answersWithKey = false
  /// A refusal of it is remembered for ever.
  var resolves = false
  /// Whose available money it takes, and how much of it.
  var debits: [(owner: UserID, amount: Money)] = []
  /// Who gets spendable money, and how much.
  var credits: [(owner: UserID, amount: Money)] = []
  /// Everybody whose wallet it needs.
  var parties: [UserID] = []
  /// Who has a wallet when it is done.
  var opens: UserID?
  var hold: HoldNumber?
  var payout: PayoutID?
  /// How the payout must stand; nil where that is not all.
  var requiredStatus: PayoutStatus?
  private let send: @Sendable (PostingQueue) async throws(NotTheWriter) -> SimulatedAnswer

  private init<Command: LedgerCommand>(
    _ text: String, _ command: Command, answer: @escaping @Sendable (Command.Answer) -> String
  ) {
    self.text = text
    send = { queue throws(NotTheWriter) in
      do {
        switch try await queue.perform(command) {
        case .applied(let done), .replayed(let done): return .done(answer(done))
        case .stored: return .refused(.internalError)
        }
      } catch let elsewhere as NotTheWriter {
        throw elsewhere
      } catch is SimulatedProcess.Death {
        return .unknown(nil)
      } catch {
        guard let code = (error as? Failure)?.code else { return .refused(.internalError) }
        switch code.kind {
        case .unavailable, .aborted, .deadlineExceeded: return .unknown(code)
        default: return .refused(code)
        }
      }
    }
  }

  /// Sends it and waits. Whoever does not write the books hands it on once to whoever does.
  func answer(from process: SimulatedProcess, _ addresses: Addresses) async -> SimulatedAnswer {
    do {
      return try await send(process.queue)
    } catch {
      guard let holder = addresses[error.holder] else { return .unknown(.serviceUnavailable) }
      return (try? await send(holder.queue)) ?? .unknown(.serviceUnavailable)
    }
  }
}

// MARK: - Wallets and payments

extension SimulatedRequest {
  static func ensureWallet(of person: Cast.Person) throws -> SimulatedRequest {
    let command = try EnsureWallet(owner: person.id, kind: person.kind, actor: .system)
    var request = SimulatedRequest("ensure wallet of \(Cast.name(person.id))", command) {
      $0.id.rawValue
    }
    request.opens = person.id
    return request
  }

  static func closeWallet(of person: Cast.Person) throws -> SimulatedRequest {
    let command = try CloseWallet(owner: person.id, actor: .system)
    var request = SimulatedRequest("close wallet of \(Cast.name(person.id))", command) {
      $0.id.rawValue
    }
    request.parties = [person.id]
    return request
  }

  static func deposit(_ paise: Int64, as ref: String, to person: Cast.Person) throws -> SimulatedRequest {
    let command = try Deposit(
      owner: person.id, amount: Money(paise: paise), ref: ref, actor: .system, opening: person.kind,
      limits: Cast.limits)
    var request = SimulatedRequest("deposit \(paise) as \(ref) to \(Cast.name(person.id))", command) {
      $0.row.id.rawValue
    }
    request.posting = "brand_deposit:\(person.id):\(ref)"
    request.identity = request.posting
    request.credits = [(person.id, command.amount)]
    request.parties = [person.id]
    return request
  }

  static func payAgency(_ paise: Int64, as ref: String, _ mode: PaymentMode) throws -> SimulatedRequest {
    let (brand, agency) = (Cast.people[0].id, Cast.people[1].id)
    var command = try PayAgency(
      brand: brand, agency: agency, amount: Money(paise: paise), ref: ref, mode: mode,
      actor: .system,
      limits: Cast.limits)
    command.names = Cast.names
    var request = SimulatedRequest("pay \(paise) as \(ref) to the agency, \(mode)", command) {
      $0.row.id.rawValue
    }
    request.posting = "brand_agency_payout:\(brand):\(agency):\(ref)"
    request.identity = request.posting
    request.debits = mode == .wallet ? [(brand, command.amount)] : []
    request.credits = mode == .wallet ? [(agency, command.amount)] : []
    request.parties = [brand, agency]
    return request
  }
}

// MARK: - Orders

extension SimulatedRequest {
  static func lock(_ hold: HoldNumber, _ terms: OrderTerms) -> SimulatedRequest {
    let command = LockOrderFunds(number: hold, terms: terms, actor: .system)
    var request = SimulatedRequest(
      "lock \(hold.name), \(terms.total.paise) of \(Cast.name(terms.owner))", command
    ) {
      "\($0)"
    }
    request.posting = "order-lock:\(hold.order):\(hold.seq)"
    request.identity = request.posting
    request.debits = [(terms.owner, terms.total)]
    request.parties = [terms.owner, terms.buyer, terms.mediator]
    request.hold = hold
    return request
  }

  static func release(_ hold: HoldNumber) -> SimulatedRequest {
    let command = ReleaseOrderFunds(number: hold, reason: "cancelled", actor: .system)
    var request = SimulatedRequest("release \(hold.name)", command) { "\($0)" }
    request.posting = "order-release:\(hold.order):\(hold.seq)"
    request.identity = request.posting
    request.hold = hold
    return request
  }

  static func settle(
    _ number: SettlementNumber, _ hold: HoldNumber, _ terms: OrderTerms, tries: Int32, resolve: Bool
  ) throws -> SimulatedRequest {
    let command = try SettleOrderFunds(
      order: number.order, seq: number.seq, holdSeq: hold.seq, terms: terms, resolve: resolve,
      voidedTries: tries,
      actor: .system)
    var request = SimulatedRequest(
      "settle \(number.name)~\(tries), hold \(hold.seq), \(terms.total.paise) of \(Cast.name(terms.owner))"
        + (resolve ? ", resolving" : ""), command
    ) { $0.text }
    request.identity = "order-settle:\(number.order):\(number.seq)"
    request.posting = "order-settle:\(number.order):\(number.seq)" + (tries == 0 ? "" : "~\(tries)")
    request.answersWithKey = true
    request.resolves = resolve
    request.debits = [(terms.owner, terms.total)]
    request.credits = [(terms.buyer, terms.commission), (terms.mediator, terms.margin)]
    request.parties = [terms.owner, terms.buyer, terms.mediator]
    request.hold = hold
    return request
  }

  static func unsettle(
    _ number: SettlementNumber, newHoldSeq: Int32, _ terms: OrderTerms, tries: Int32, resolve: Bool
  ) throws -> SimulatedRequest {
    let command = try UnsettleOrderFunds(
      settlement: number, newHoldSeq: newHoldSeq, resolve: resolve, voidedTries: tries,
      actor: .system)
    var request = SimulatedRequest(
      "unsettle \(number.name)~\(tries), new hold \(newHoldSeq)" + (resolve ? ", resolving" : ""),
      command
    ) { $0.posting.text }
    request.identity = "order-unsettle:\(number.order):\(number.seq)"
    request.posting =
      "order-unsettle:\(number.order):\(number.seq)" + (tries == 0 ? "" : "~\(tries)")
    request.answersWithKey = true
    request.resolves = resolve
    request.debits = [
      (terms.buyer, terms.commission), (terms.mediator, terms.margin), (.platform, terms.fee),
    ]
    request.parties = [terms.owner, terms.buyer, terms.mediator]
    return request
  }
}

// MARK: - Payouts

extension SimulatedRequest {
  static func requestPayout(_ paise: Int64, as requestID: String, by person: Cast.Person) throws -> SimulatedRequest {
    var command = try RequestPayout(
      beneficiary: person.id, amount: Money(paise: paise), requestID: requestID, actor: .system,
      limits: Cast.limits)
    command.profile = Cast.profile(of: person)
    var request = SimulatedRequest(
      "request payout \(requestID) of \(paise) to \(Cast.name(person.id))", command
    ) {
      $0.payout.id.rawValue
    }
    request.identity = "payout:\(person.id):\(requestID)"
    request.debits = [(person.id, command.amount)]
    request.parties = [person.id]
    return request
  }

  static func change(_ payout: PayoutID, _ change: PayoutChange) -> SimulatedRequest {
    var request: SimulatedRequest
    switch change {
    case .start(let ref):
      let command = StartPayout(id: payout, provider: "bank", providerRef: ref, actor: .system)
      request = SimulatedRequest("start payout under \(ref ?? "no reference")", command) {
        $0.id.rawValue
      }
    case .complete(let ref):
      let reference = ProviderRef(provider: "bank", ref: ref)
      let command = CompletePayout(id: payout, reference: reference, actor: .system)
      request = SimulatedRequest("complete payout under \(ref)", command) { $0.id.rawValue }
      request.posting = "payout_complete:\(payout)"
    case .fail:
      let command = FailPayout(
        id: payout, failureCode: "CLOSED", failureMessage: "no such account", actor: .system)
      request = SimulatedRequest("fail payout", command) { $0.id.rawValue }
      request.posting = "payout_failed:\(payout)"
    case .cancel:
      request = SimulatedRequest("cancel payout", CancelPayout(id: payout, actor: .system)) {
        $0.id.rawValue
      }
      request.posting = "payout_cancel:\(payout)"
    case .delete:
      request = SimulatedRequest("delete payout", DeletePayout(id: payout, actor: .system)) {
        $0.id.rawValue
      }
    }
    request.payout = payout
    switch change {
    case .start, .cancel: request.requiredStatus = .requested
    case .fail: request.requiredStatus = .processing
    case .complete, .delete: break
    }
    return request
  }

  static func recordPayout(
    _ paise: Int64, as ref: String, to person: Cast.Person, by payer: RecordPayout.Payer
  ) throws -> SimulatedRequest {
    var command = try RecordPayout(
      payer: payer, beneficiary: person.id, amount: Money(paise: paise), ref: ref, actor: .system)
    command.profile = Cast.profile(of: person)
    var request = SimulatedRequest(
      "record payout \(ref) of \(paise) to \(Cast.name(person.id))", command
    ) {
      $0.id.rawValue
    }
    // A record that is deleted gives its reference back.
    if payer == .staff {
      request.identity = "manual:\(ref)"
      request.debits = [(person.id, command.amount)]
    }
    request.parties = [person.id]
    return request
  }
}

enum PayoutChange: Hashable, Sendable {
  case start(ref: String?)
  case complete(ref: String)
  case fail, cancel, delete
}

extension SimulatedRequest: CustomStringConvertible {
  var description: String { text }
}

extension HoldNumber {
  fileprivate var name: String { "\(Cast.number(of: order)).\(seq)" }
}

extension SettlementNumber {
  fileprivate var name: String { "\(Cast.number(of: order)).\(seq)" }
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

  /// With the text, for a comparison.
  var text: String { if case .done(let text) = self { "\(self): \(text)" } else { "\(self)" } }

  var isDone: Bool { if case .done = self { true } else { false } }
  var isRefused: Bool { if case .refused = self { true } else { false } }
  var isUnknown: Bool { if case .unknown = self { true } else { false } }
}
