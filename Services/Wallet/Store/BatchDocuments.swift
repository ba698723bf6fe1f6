import Kernel
import Mongo
import Reliability
import WalletDomain

/// What a part of a batch writes, as documents: made while the batch before it is being committed.
struct EncodedChanges: Sendable {
  let rows: [BSONDocument]
  /// The audit entries of the part.
  let messages: Result<[BSONDocument], MongoFailure>

  init(_ changes: [LedgerChange], at now: Timestamp) {
    rows = changes.flatMap(\.postings).flatMap(\.rows).map(TransactionDocument.document)
    // Of its own, since what else will be in the batch is not known yet.
    let key = "wallet/\(TransactionID.generate(at: now))"
    let entries = changes.flatMap(\.audits).map(AuditEntry.init) + changes.flatMap(\.records).map(AuditEntry.init)
    messages = Result { () throws(MongoFailure) in try Outbox.messages(entries, eventKey: key) }
  }
}

/// What a batch writes, as documents, as far as it is much: made before the transaction begins.
struct BatchDocuments: Sendable {
  let rows: [BSONDocument]
  /// One outbox document carries the audit entries and the events of the whole batch.
  let messages: [BSONDocument]
  /// Nil when no wallet that was there changes.
  let walletUpdate: BSONDocument?

  init(_ batch: LedgerBatch) throws(MongoFailure) {
    var parts = batch.encoded.compactMap { $0 as? EncodedChanges }
    if parts.isEmpty { parts = [EncodedChanges(batch.changes, at: batch.at)] }
    rows = parts.flatMap(\.rows)
    var messages: [BSONDocument] = []
    for part in parts { messages += try part.messages.get() }
    let events = batch.events.map { DomainEvent($0, at: batch.at) }
    self.messages = messages + (try Outbox.messages([], events: events, eventKey: "wallet/\(batch.id)"))
    walletUpdate = batch.updatedWallets.isEmpty ? nil : WalletDocument.update(batch.updatedWallets)
  }
}
