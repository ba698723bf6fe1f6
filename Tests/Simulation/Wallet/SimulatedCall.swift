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
    operation: Int, _ request: SimulatedRequest, process: Int, sentAt: Int, wasPosted: Bool,
    isMisuse: Bool
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
    if let owner = request.opens,
      auditor.available(to: owner, since: sentAt).allSatisfy({ $0 == nil })
    {
      return ["\(self), but there is no wallet"]
    }
    guard let posting = request.answersWithKey ? text : request.posting else { return [] }
    return auditor.isPosted(posting) ? [] : ["\(self), but \(posting) is not posted"]
  }

  /// A refusal must have been true at some moment between question and answer.
  private func contradictions(of code: ErrorCode, _ auditor: LedgerAuditor) -> [String] {
    let isVoided = request.posting.map(auditor.isVoided) ?? false
    if wasPosted, request.identity != nil, !isMisuse {
      return ["\(self), but it was posted before it was asked for"]
    }
    if request.resolves, !isVoided, !isMisuse {
      return ["\(self) for good, but the refusal is not remembered"]
    }
    return isVoided || isTrue(code, auditor) ? [] : ["\(self), which was never true"]
  }

  private func isTrue(_ code: ErrorCode, _ auditor: LedgerAuditor) -> Bool {
    switch code {
    case .idempotencyMismatch: return isMisuse
    case .insufficientFunds, .insufficientFundsForReversal:
      return request.debits.contains { debit in
        auditor.available(to: debit.owner, since: sentAt).contains { $0 ?? 0 < debit.amount.paise }
      }
    case .balanceLimitExceeded:
      return request.credits.contains { credit in
        let ceiling = auditor.ceiling(ofWalletOf: credit.owner)
        return auditor.available(to: credit.owner, since: sentAt).contains { available in
          ceiling.map { (available ?? 0) + credit.amount.paise > $0 } ?? false
        }
      }
    case .walletNotFound:
      return request.parties.contains {
        auditor.available(to: $0, since: sentAt).contains { $0 == nil }
      }
    case .holdClosed: return request.hold.flatMap(auditor.hold).map { !$0.isOpen } ?? false
    case .holdNotFound: return request.hold.flatMap(auditor.hold).map { $0.terms == nil } ?? false
    case .payoutStateMismatch:
      guard let payout = request.payout, let required = request.requiredStatus else { return true }
      return auditor.statuses(of: payout, since: sentAt).contains { $0 != required }
    // What these rest on is checked where it is written: no reference twice, no payout too many, no money lost.
    case .duplicateProviderRef, .tooManyPending, .payoutPending, .walletNotEmpty, .payoutHasLedger,
      .payoutNotFound:
      return true
    default: return false
    }
  }
}

extension SimulatedCall: CustomStringConvertible {
  var description: String {
    let outcome = answer?.description ?? "nothing yet"
    return "\(operation). \(isMisuse ? "misuse: " : "")\(request) at \(Cast.replica(process)) -> \(outcome)"
  }
}
