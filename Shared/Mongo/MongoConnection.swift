import Kernel

/// One connection, for the length of one closure on one dedicated thread. Calls block.
///
/// Every command carries its concern and a time limit taken from the caller's deadline. Inside a transaction the first
/// failure is final: the transaction is gone, and every later call repeats that failure.
public final class MongoConnection {
  enum Concern {
    case read
    case write
    case none
  }

  let client: DriverClient
  let session: DriverSession
  let database: String
  let deadline: Deadline?
  let interest: any CallerInterest
  let commandTimeMax: Duration
  /// True inside `MongoDatabase.transaction`.
  public let isInTransaction: Bool
  /// What broke the transaction.
  private(set) var broken: MongoFailure?

  init(
    client: DriverClient, session: DriverSession, database: String, deadline: Deadline?,
    interest: any CallerInterest, commandTimeMax: Duration, isInTransaction: Bool
  ) {
    self.client = client
    self.session = session
    self.database = database
    self.deadline = deadline
    self.interest = interest
    self.commandTimeMax = commandTimeMax
    self.isInTransaction = isInTransaction
  }

  /// The logical session of this unit of work, as `killSessions` takes it.
  public var sessionID: BSONDocument { session.id }

  /// Runs any command, without concerns of its own, on this database or another one (`admin`).
  @discardableResult
  public func command(_ body: BSONDocument, database: String? = nil) throws(MongoFailure) -> BSONDocument {
    try run(body, about: "", .none, database: database)
  }

  /// The same for what may take long at the server, such as building an index: at most `limit`, or as long as the
  /// caller's deadline allows, whatever the socket timeout is. A server that vanishes meanwhile is noticed anyway.
  @discardableResult
  public func command(
    _ body: BSONDocument, database: String? = nil, within limit: Duration
  ) throws(MongoFailure) -> BSONDocument {
    try run(body, about: "", .none, database: database, within: limit)
  }

  /// Ends whatever the given sessions are doing and aborts their transactions.
  public func killSessions(_ ids: [BSONDocument]) throws(MongoFailure) {
    try command(["killSessions": .documents(ids)], database: "admin")
  }

  /// Throws what stopped the caller from waiting, or what broke the transaction.
  func check() throws(MongoFailure) {
    if let broken { throw broken }
    if interest.isGone || deadline?.hasPassed == true { throw .timeout }
  }

  @discardableResult
  func run(
    _ body: BSONDocument, about collection: String, _ concern: Concern, database other: String? = nil,
    within limit: Duration? = nil, isTimed: Bool = true, toleratesDuplicates: Bool = false
  ) throws(MongoFailure) -> BSONDocument {
    try check()
    var command = body
    if !isInTransaction {
      switch concern {
      case .read: command.append("readConcern", readConcern)
      case .write: command.append("writeConcern", ["w": "majority", "j": true])
      case .none: break
      }
    }
    let longest = limit ?? commandTimeMax
    let time = max(.milliseconds(1), deadline.map { min($0.remaining, longest) } ?? longest)
    // The server takes 31 bits.
    if isTimed { command.append("maxTimeMS", .int64(min(time.wholeMilliseconds, Int64(Int32.max)))) }
    do {
      let reply = try client.command(
        command, database: other ?? database, session: session, within: time + Limits.replyGrace)
      if concern != .read, let error = try CommandError(reply: reply, skippingDuplicates: toleratesDuplicates) {
        throw error
      }
      if concern == .write, !isInTransaction { client.pool.acknowledged(by: reply) }
      return reply
    } catch {
      let failure = translate(error, collection)
      if isInTransaction { broken = failure }
      throw failure
    }
  }

  /// Durable, and not older than what this process was told to be.
  private var readConcern: BSONValue {
    let time = client.pool.acknowledgedTime
    return time == 0 ? ["level": "majority"] : ["level": "majority", "afterClusterTime": .timestamp(time)]
  }

  private func translate(_ error: any Error, _ collection: String) -> MongoFailure {
    switch error {
    case let failure as MongoFailure: return failure
    case let error as CommandError:
      let failure = error.failure(collection: collection)
      // The limit came from the caller's deadline: the server noticed first.
      let isDue = deadline.map { $0.remaining < .milliseconds(50) } ?? false
      return failure == .maxTimeExpired && isDue ? .timeout : failure
    default: return .other(code: 0, message: "\(error)")
    }
  }
}
