import Kernel
import Mongo
import Reliability
import WalletDomain

extension LedgerWriting {
  /// One outbox document carries the audit entries of the whole batch.
  func appendAudits() throws {
    guard !batch.audits.isEmpty else { return }
    try Outbox.append(
      batch.audits.map(Self.entry), aggregate: "wallet", seq: batch.number, eventKey: "wallet/\(batch.id)",
      now: batch.at, in: connection)
  }

  private static func entry(_ audit: WalletAudit) -> AuditEntry {
    AuditEntry(
      action: audit.action.rawValue, entityType: "Wallet", entityID: audit.wallet.rawValue, actor: audit.actor,
      metadata: [
        "amountPaise": .int(audit.amount.paise), "type": .string(audit.type.rawValue),
        "postingId": .string(audit.posting.text),
      ],
      occurredAt: audit.at)
  }
}
