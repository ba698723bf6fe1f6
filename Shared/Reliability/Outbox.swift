import Crypto
import Kernel
import Mongo

/// Messages that leave the service, written in the transaction of the change they tell about (DOMAIN 3.6, 10): with
/// the change or not at all, and delivered until the receiver has them.
public enum Outbox {
  public static let collection = "outbox"
  static let auditTopic = "audit"
  static let dueIndex = "dispatched_1_nextAttemptAt_1"
  /// `nextAttemptAt` of what has not been tried: in the order of writing it is the index's own, and no clock decides
  /// when it is due. Later values are the database's time.
  static let dueAtOnce = Timestamp(milliseconds: 0)
  /// An event id may be 200 characters long; the rest is for the service's name and the entry's number.
  private static let eventKeyMax = 150

  /// For the service's own list of migrations. The relay walks the first index, and the second to keep an aggregate's
  /// order behind a backlog; what is delivered stays seven days, what is parked for good.
  public static let migrationSteps: [MigrationStep] = [
    .createCollection(collection),
    .createIndexes([
      IndexSpec(
        collection, ["dispatched": 1, "nextAttemptAt": 1], name: dueIndex, partialFilter: ["dispatched": false]),
      IndexSpec(collection, ["aggregate": 1, "seq": 1], partialFilter: ["dispatched": false]),
      IndexSpec(collection, ["dispatchedAt": 1], expireAfter: .seconds(7 * 86_400)),
    ]),
  ]

  /// Appends the entries and events of one change. Call it inside the transaction of that change.
  ///
  /// Messages of one aggregate are delivered by ascending `seq`, its version. Event ids derive from `eventKey` and the
  /// entry's place, so that the change's repetition is recognised at the receiver: the key names the change within the
  /// service, for good.
  public static func append(
    _ entries: [AuditEntry], events: [DomainEvent] = [], aggregate: String, seq: Int64, eventKey: String,
    now: Timestamp, in connection: MongoConnection
  ) throws {
    try append(
      messages: try messages(entries, events: events, eventKey: eventKey), aggregate: aggregate, seq: seq, now: now,
      in: connection)
  }

  /// What `append` stores of entries and events: for those who make it before their transaction begins.
  public static func messages(
    _ entries: [AuditEntry], events: [DomainEvent] = [], eventKey: String
  ) throws(MongoFailure) -> [BSONDocument] {
    let key = eventKey.unicodeScalars.count <= eventKeyMax ? eventKey : digest(eventKey)
    var messages: [BSONDocument] = []
    func add(_ topic: String, _ payload: BSONDocument) {
      messages.append(OutboxMessage(eventID: "\(key)#\(messages.count)", topic: topic, payload: payload).document)
    }
    for entry in entries { add(auditTopic, try entry.payload()) }
    for event in events { add(event.topic, try event.document()) }
    return messages
  }

  /// Appends what `messages` has made, perhaps of several keys. Otherwise like the other one.
  public static func append(
    messages: [BSONDocument], aggregate: String, seq: Int64, now: Timestamp, in connection: MongoConnection
  ) throws {
    guard !messages.isEmpty else { return }
    try connection.insertOne(
      collection,
      [
        "aggregate": .string(aggregate), "seq": .int64(seq), "messages": .documents(messages), "dispatched": false,
        "dispatchedAt": .null, "attempts": .int32(0), "nextAttemptAt": .datetime(dueAtOnce),
        "createdAt": .datetime(now),
      ])
  }

  private static func digest(_ text: String) -> String {
    SHA256.hash(data: Array(text.utf8)).map { byte in
      let hex = String(byte, radix: 16)
      return byte < 16 ? "0" + hex : hex
    }.joined()
  }
}

/// One message on its way.
public struct OutboxMessage: Hashable, Sendable {
  /// Unique within the service; the same in every repetition.
  public let eventID: String
  public let topic: String
  public let payload: BSONDocument
}

extension OutboxMessage {
  init(_ document: BSONDocument) throws(MongoFailure) {
    eventID = try document.string("eventId")
    topic = try document.string("topic")
    payload = try document.document("payload")
  }

  var document: BSONDocument {
    BSONDocument(capacity: payload.bytes.count + 256) { message in
      message.append("eventId", eventID)
      message.append("topic", topic)
      message.append("payload", payload)
    }
  }
}

/// What one transaction left in the outbox.
struct OutboxDocument: Hashable, Sendable {
  let id: ObjectID
  let aggregate: String
  let seq: Int64
  let messages: [OutboxMessage]
  let attempts: Int32
}

extension OutboxDocument {
  init(_ document: BSONDocument) throws(MongoFailure) {
    id = try document.objectID("_id")
    aggregate = try document.string("aggregate")
    seq = try document.int64("seq")
    attempts = try document.int32("attempts")
    var messages: [OutboxMessage] = []
    for message in try document.documents("messages") { messages.append(try OutboxMessage(message)) }
    self.messages = messages
  }
}
