import Kernel

/// One thing that the books can be asked to do. Everything that writes money is a conforming type in this folder.
///
/// Both methods are pure: the queue may call them any number of times, on fresher books each time.
public protocol LedgerCommand: Sendable {
  associatedtype Answer: Sendable

  /// Everything the other two look at.
  var needs: LedgerNeeds { get }

  /// The answer, if this was done before; nil if it was not. Asked before any rule.
  ///
  /// Fails with `IDEMPOTENCY_MISMATCH` when something else was done under the same key, and with the stored refusal
  /// when the key was voided.
  func replay(in ledger: Ledger) throws(Failure) -> Answer?

  /// Applies the rules. Throws the refusal, which leaves no trace.
  func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Answer>
}

/// What a decision may look at besides the books.
public struct DecisionContext: Sendable {
  /// Read once per batch, so that rows are dated in the order in which they are committed.
  public let now: Timestamp
  public let limits: WalletLimits

  public init(now: Timestamp, limits: WalletLimits) {
    self.now = now
    self.limits = limits
  }
}

public enum Decision<Answer: Sendable>: Sendable {
  /// Write the change, then give the answer.
  case change(LedgerChange, Answer)
  /// A refusal that must be remembered: write the change, then refuse.
  case refusal(LedgerChange, Failure)
}
