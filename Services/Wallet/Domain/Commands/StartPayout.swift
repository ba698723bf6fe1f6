import Kernel

/// A requested payout is given to a provider. No money moves: it stays locked until the provider has answered.
public struct StartPayout: LedgerCommand {
  public let id: PayoutID
  public let provider: String
  /// Often known only when the provider has paid.
  public let providerRef: String?
  public let actor: Actor

  public init(id: PayoutID, provider: String, providerRef: String?, actor: Actor) {
    self.id = id
    self.provider = provider
    self.providerRef = providerRef
    self.actor = actor
  }

  private var reference: ProviderRef? { providerRef.map { ProviderRef(provider: provider, ref: $0) } }

  public var needs: LedgerNeeds { LedgerNeeds(payouts: [id], references: Set(reference.map { [$0] } ?? [])) }

  /// Only the request id recognises a repeat.
  public func replay(in ledger: Ledger) -> Payout? { nil }

  public func decide(on ledger: Ledger, _ context: DecisionContext) throws(Failure) -> Decision<Payout> {
    let payout = try ledger.payout(id)
    try payout.require(.requested)
    if let reference { try ledger.requireUnused(reference) }
    var draft = LedgerDraft(ledger, context, actor: actor)
    var started = payout.moved(to: .processing, context, by: actor)
    started.provider = provider
    started.providerRef = providerRef
    draft.write(started, as: .payoutStarted)
    return .change(draft.change, started)
  }
}

extension Ledger {
  /// Fails with `DUPLICATE_PROVIDER_REF`.
  func requireUnused(_ reference: ProviderRef) throws(Failure) {
    if let other = payout(reference) {
      throw Failure(
        .duplicateProviderRef, "another payout has this reference of \(reference.provider)",
        metadata: ["payoutId": other.id.rawValue])
    }
  }
}
