import Kernel

extension LedgerDraft {
  /// Writes the payout with its audit entry and events.
  ///
  /// `source` names the change for the inbox of the beneficiary, where it shows one (DOMAIN 11.2).
  mutating func write(_ payout: Payout, as action: AuditRecord.Action, source: String? = nil) {
    write(payout)
    var facts: [String: AuditRecord.Fact] = [
      "beneficiaryUserId": .text(payout.beneficiary.rawValue), "amountPaise": .amount(payout.amount),
      "recordOnly": .flag(payout.status == .recorded),
    ]
    facts["provider"] = payout.provider.map { .text($0) }
    facts["providerRef"] = payout.providerRef.map { .text($0) }
    facts["failureCode"] = payout.failureCode.map { .text($0) }
    record(action, .payout(payout.id), facts)

    let agencies = payout.agencyCode.map { [$0] } ?? []
    announce(
      LedgerEvent(
        .payoutsChanged, users: [payout.beneficiary], agencyCodes: agencies,
        payload: ["payoutId": payout.id.rawValue, "status": payout.status.rawValue]))
    if let source {
      announce(
        LedgerEvent(
          .notificationsChanged, users: [payout.beneficiary], agencyCodes: agencies,
          payload: ["source": source, "payoutId": payout.id.rawValue]))
    }
  }

  /// The whole amount from one place of the beneficiary's money to another.
  mutating func move(
    _ payout: Payout, under key: PostingKey, from: Leg.Place, to: Leg.Place, as type: TransactionType
  ) throws(Failure) {
    let links = Leg.Links(payout: payout.id)
    var metadata: [String: String] = [:]
    metadata["provider"] = payout.provider
    metadata["providerRef"] = payout.providerRef
    try post(
      Posting(
        key, Fingerprint(type, parties: [payout.beneficiary], amounts: [payout.amount]),
        legs: [
          .debit(payout.amount, from, as: type, links: links, metadata: metadata),
          .credit(payout.amount, to, as: type, links: links, metadata: metadata),
        ]))
  }
}
