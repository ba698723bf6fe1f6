import Kernel
import Reliability
import WalletDomain

extension AuditEntry {
  init(_ audit: WalletAudit) {
    self.init(
      action: audit.action.rawValue, entityType: "Wallet", entityID: audit.wallet.rawValue, actor: audit.actor,
      metadata: [
        "amountPaise": .int(audit.amount.paise), "type": .string(audit.type.rawValue),
        "postingId": .string(audit.posting.text),
      ],
      occurredAt: audit.at)
  }

  init(_ record: AuditRecord) {
    let (type, id) =
      switch record.entity {
      case .user(let id): ("User", id.rawValue)
      case .payout(let id): ("Payout", id.rawValue)
      case .wallet(let id): ("Wallet", id.rawValue)
      case .export(let name): ("Export", name)
      }
    self.init(
      action: record.action.rawValue, entityType: type, entityID: id, actor: record.actor,
      metadata: record.facts.mapValues { AuditValue($0) }, occurredAt: record.at)
  }
}

extension AuditValue {
  fileprivate init(_ fact: AuditRecord.Fact) {
    switch fact {
    case .text(let text): self = .string(text)
    case .amount(let money): self = .int(money.paise)
    case .count(let count): self = .int(count)
    case .flag(let flag): self = .bool(flag)
    case .texts(let texts): self = .list(texts.map { .string($0) })
    }
  }
}

extension DomainEvent {
  init(_ event: LedgerEvent, at now: Timestamp) {
    self.init(
      topic: event.topic.rawValue,
      audience: EventAudience(
        userIDs: event.users.map(\.rawValue), agencyCodes: event.agencyCodes.map(\.rawValue)),
      payload: event.payload.mapValues { .string($0) }, occurredAt: now)
  }
}
