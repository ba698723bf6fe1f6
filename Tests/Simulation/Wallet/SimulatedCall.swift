import Kernel
import Synchronization
import WalletDomain

/// One request that has reached a process, and what came of it.
final class SimulatedCall: Sendable {
  /// The operation that it belongs to, from 1.
  let operation: Int
  let request: SimulatedRequest
  /// Which replica it went to.
  let process: Int
  /// Batches committed when it was sent.
  let sentAt: Int
  let wasPosted: Bool
  /// Asks for something else under a posted key.
  let isMisuse: Bool
  private let outcome = Mutex<SimulatedAnswer?>(nil)

  init(
    operation: Int, _ request: SimulatedRequest, process: Int, sentAt: Int, wasPosted: Bool, isMisuse: Bool
  ) {
    self.operation = operation
    self.request = request
    self.process = process
    self.sentAt = sentAt
    self.wasPosted = wasPosted
    self.isMisuse = isMisuse
  }

  /// Nil while it is under way.
  var answer: SimulatedAnswer? { outcome.withLock { $0 } }

  func end(with answer: SimulatedAnswer) {
    outcome.withLock { $0 = answer }
  }

  /// What is wrong with the answer, given the books.
  func contradictions(with auditor: LedgerAuditor) -> [String] {
    switch answer {
    case nil, .unknown: []
    case .done(let text): contradictions(ofDone: text, auditor)
    case .refused(let code): contradictions(of: code, auditor)
    }
  }

  private func contradictions(ofDone text: String, _ auditor: LedgerAuditor) -> [String] {
    if isMisuse { return ["\(self): a posted key was used for something else"] }
    guard let posting = request.posting else { return [] }
    // Of several tries of a settlement an earlier one may have been it.
    let key = if case .settle = request { text } else { posting }
    return auditor.isPosted(key) ? [] : ["\(self), but \(key) is not posted"]
  }

  /// A refusal must have been true at some moment between question and answer.
  private func contradictions(of code: ErrorCode, _ auditor: LedgerAuditor) -> [String] {
    let isVoided = request.posting.map(auditor.isVoided) ?? false
    if wasPosted, !isMisuse { return ["\(self), but it was posted before it was asked for"] }
    if case .settle(let command) = request, command.resolve, !isVoided, !isMisuse {
      return ["\(self) for good, but the refusal is not remembered"]
    }
    if isVoided { return [] }
    let isTrue =
      switch code {
      case .idempotencyMismatch: isMisuse
      case .insufficientFunds:
        request.debits.contains { debit in
          auditor.available(to: debit.owner, since: sentAt).contains { $0 ?? 0 < debit.amount.paise }
        }
      case .balanceLimitExceeded:
        request.credits.contains { credit in
          auditor.available(to: credit.owner, since: sentAt).contains { available in
            auditor.ceiling(ofWalletOf: credit.owner).map { (available ?? 0) + credit.amount.paise > $0 } ?? false
          }
        }
      case .walletNotFound:
        request.parties.contains { auditor.available(to: $0, since: sentAt).contains { $0 == nil } }
      case .holdClosed: request.hold.flatMap(auditor.hold).map { !$0.isOpen } ?? false
      case .holdNotFound: request.hold.flatMap(auditor.hold).map { $0.terms == nil } ?? false
      default: false
      }
    return isTrue ? [] : ["\(self), which was never true"]
  }
}

extension SimulatedCall: CustomStringConvertible {
  var description: String {
    let outcome = answer?.description ?? "nothing yet"
    return "\(operation). \(isMisuse ? "misuse: " : "")\(request) at \(process == 0 ? "A" : "B") -> \(outcome)"
  }
}
