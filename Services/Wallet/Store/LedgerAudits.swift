import Kernel
import Mongo
import Reliability
import WalletDomain

extension LedgerBatch {
  /// Whether somebody is to hear of the batch.
  var hasMessages: Bool { !audits.isEmpty || !records.isEmpty || !events.isEmpty }
}

extension LedgerWriting {
  /// One outbox document carries the audit entries and the events of the whole batch.
  func appendMessages() throws {
    guard batch.hasMessages else { return }
    try Outbox.append(
      batch.audits.map(AuditEntry.init) + batch.records.map(AuditEntry.init),
      events: batch.events.map { DomainEvent($0, at: batch.at) }, aggregate: "wallet", seq: batch.number,
      eventKey: "wallet/\(batch.id)", now: batch.at, in: connection)
  }
}

extension AuditEntry {
  fileprivate init(_ audit: WalletAudit) {
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
  fileprivate init(_ event: LedgerEvent, at now: Timestamp) {
    self.init(
      topic: event.topic.rawValue,
      audience: EventAudience(
        userIDs: event.users.map(\.rawValue), agencyCodes: event.agencyCodes.map(\.rawValue)),
      payload: event.payload.mapValues { .string($0) }, occurredAt: now)
  }
}
