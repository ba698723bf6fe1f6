import Kernel
import Mongo
import WalletDomain

/// Looks at the lease, and takes it.
struct WriterLease {
  let connection: MongoConnection

  init(_ connection: MongoConnection) {
    self.connection = connection
  }

  func reading() throws -> LeaseReading? {
    try document().map(Self.reading)
  }

  func claim(as holder: String, session: BSONDocument) throws -> LeaseClaim {
    var found = try document()
    if found?.has("token") != true {
      _ = try connection.updateOne(
        Collections.writer, WriterDocument.key, pipeline: WriterDocument.first, upsert: true)
      found = try document()
    }
    guard let found else { throw MongoFailure.malformedDocument("the writer document is gone") }
    let lease = try Self.reading(found)
    let old = try found.optionalDocument("session")
    guard lease.remaining <= .zero || lease.holder == holder else { return .held(lease) }
    if let old { try connection.killSessions([old]) }
    let until = Deadline.after(WriterTerm.lease)
    let (filter, update) = WriterDocument.claim(holder, after: lease.token, session: session)
    guard try connection.updateOne(Collections.writer, filter, pipeline: update).matched == 1,
      let writer = try connection.findOne(Collections.writer, WriterDocument.key),
      try writer.int64("token") == lease.token + 1
    else {
      // Somebody was faster.
      guard let now = try reading() else { throw MongoFailure.malformedDocument("the writer document is gone") }
      return .held(now)
    }
    return .granted(
      WriterTerm(
        token: lease.token + 1, batches: try writer.int64("batch"), until: until,
        lastAt: try writer.optionalDatetime("at")))
  }

  private func document() throws -> BSONDocument? {
    try connection.findOne(Collections.writer, WriterDocument.key, projection: WriterDocument.reading)
  }

  private static func reading(_ document: BSONDocument) throws -> LeaseReading {
    LeaseReading(
      holder: try document.optionalString("holder") ?? "", token: try document.optionalInt64("token") ?? 0,
      remaining: .milliseconds(try document.optionalInt64("left") ?? 0))
  }
}
