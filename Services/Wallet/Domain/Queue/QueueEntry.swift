import Kernel

/// One caller's command while it waits in the posting queue, with the types of command and answer erased.
struct QueueEntry: Sendable {
  /// What one decision of the command comes to. `reply` answers the caller; it is called once, after the commit.
  struct Verdict: Sendable {
    let change: LedgerChange?
    let reply: @Sendable () -> Void
  }

  let id: UInt64
  let deadline: Deadline?
  let needs: LedgerNeeds
  let decide: @Sendable (Ledger, DecisionContext) -> Verdict
  let fail: @Sendable (any Error) -> Void

  init<Command: LedgerCommand>(
    id: UInt64, _ command: Command, _ request: RequestRecord<Command.Answer>?, deadline: Deadline?,
    _ continuation: CheckedContinuation<Outcome<Command.Answer>, any Error>
  ) {
    self.id = id
    self.deadline = deadline
    needs = command.needs(for: request)
    decide = { ledger, context in
      do {
        if let outcome = try command.replay(in: ledger, for: request) {
          return Verdict(change: nil) { continuation.resume(returning: outcome) }
        }
        switch try command.decide(on: ledger, context) {
        case .refusal(let change, let failure):
          return Verdict(change: change) { continuation.resume(throwing: failure) }
        case .change(var change, let answer):
          if let request {
            change.requests.append(
              StoredRequest(
                key: request.key, fingerprint: request.fingerprint, response: try request.response(answer),
                at: context.now))
          }
          return Verdict(change: change) { continuation.resume(returning: .applied(answer)) }
        }
      } catch {
        return Verdict(change: nil) { continuation.resume(throwing: error) }
      }
    }
    fail = { continuation.resume(throwing: $0) }
  }
}

extension LedgerCommand {
  func needs(for request: RequestRecord<Answer>?) -> LedgerNeeds {
    var needs = self.needs
    if let request { needs.requests.insert(request.key) }
    return needs
  }

  /// The request id is looked at before the business key: it remembers the very response.
  func replay(in ledger: Ledger, for request: RequestRecord<Answer>?) throws(Failure) -> Outcome<Answer>? {
    if let response = try request?.replay(in: ledger) { return .stored(response) }
    if let answer = try replay(in: ledger) { return .replayed(answer) }
    return nil
  }
}
