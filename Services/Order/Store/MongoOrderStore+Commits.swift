public import Kernel
import Mongo
public import OrderDomain
import Reliability

/// Why a unit of work came to nothing. Never leaves the store.
private enum Lost: Error {
  case race
  case requestKnown
}

extension MongoOrderStore {
  /// Transactions tried for one creation. The database layer retries a conflicting transaction by itself; this counts
  /// how often all of that is worth repeating when other processes work for the same shopper.
  private static let openAttemptsMax = 5
  /// Looks for a commit of unknown outcome, and the pause between them: 300 ms in all.
  private static let lookUpsMax = 4
  private static let lookUpPause = Duration.milliseconds(100)

  public func open(
    _ order: Order, replacing preOrder: Order?, proofs: [NewProof], limits: VelocityLimits
  ) async throws -> CommitResult {
    try await turns.enter(order.userID)
    do {
      let result = try await openInTurn(order, preOrder, proofs, limits)
      await turns.leave(order.userID)
      return result
    } catch {
      await turns.leave(order.userID)
      throw error
    }
  }

  private func openInTurn(
    _ order: Order, _ preOrder: Order?, _ proofs: [NewProof], _ limits: VelocityLimits
  ) async throws -> CommitResult {
    let token = OrderID.generate(at: order.updatedAt).rawValue
    for attempt in 1...Self.openAttemptsMax {
      do {
        try await database.transaction { try Self.write(order, preOrder, proofs, limits, token: token, $0) }
        return .committed
      } catch Lost.requestKnown {
        return .lost
      } catch MongoFailure.unknownCommitResult {
        // The id alone tells nothing: a pre-order was there before.
        guard try await isThere(token, of: order.id) else { throw MongoFailure.unknownCommitResult }
        return .committed
      } catch let failure as MongoFailure {
        if case .duplicateKey(RequestLog.index, _) = failure { return .lost }
        if case .duplicateKey(let index, _) = failure, let refusal = Self.refusal(of: index) { throw refusal }
        guard failure.isConflict, attempt < Self.openAttemptsMax else { throw failure }
        try await Task.sleep(for: .milliseconds(Int.random(in: 5...20) * attempt))
      }
    }
    throw Failure(.orderStateMismatch, "too many orders of this shopper at the same time: send it again")
  }

  /// The lock first: whoever else creates for this shopper conflicts here, and decides again on what we leave.
  private static func write(
    _ order: Order, _ preOrder: Order?, _ proofs: [NewProof], _ limits: VelocityLimits, token: String,
    _ connection: MongoConnection
  ) throws {
    _ = try connection.updateOne(
      Collections.shopperLocks, ["_id": .id(order.userID)], ["$inc": ["creations": 1]], upsert: true)
    if let request = order.pendingSaga?.request {
      guard try RequestRows.find(request, now: order.updatedAt, connection) == .unknown else {
        throw Lost.requestKnown
      }
      try RequestRows.apply(.begin(request), now: order.updatedAt, connection)
    }
    if let externalID = order.externalOrderID {
      let facts = try admissionFacts(
        shopper: order.userID, deal: order.dealID, externalID: externalID, now: order.updatedAt, connection)
      try Creation.admit(facts, preOrder: preOrder, limits: limits, now: order.updatedAt)
    }
    let document = order.document(changedBy: order.userID.rawValue).appending("changeToken", .string(token))
    if let preOrder {
      let filter: BSONDocument = [
        "_id": .id(preOrder.id), "workflowStatus": .string(preOrder.workflowStatus.rawValue), "frozen": false,
        "version": .int64(preOrder.version),
      ]
      let fields = BSONValue.document(try document.without("_id"))
      guard try connection.updateOne(Collections.orders, filter, ["$set": fields]).matched == 1 else {
        throw Failure(.orderStateMismatch, "the pre-order has changed meanwhile")
      }
    } else {
      try connection.insertOne(Collections.orders, document)
    }
    for proof in proofs {
      try connection.insertOne(Collections.orderProofs, proof.document(id: .generate(at: proof.submittedAt)))
    }
  }

  private static func refusal(of index: String) -> Failure? {
    switch index {
    case IndexNames.claim: Creation.duplicateDeal
    case IndexNames.externalOrderID: Creation.duplicateExternalID
    default: nil
    }
  }

  public func commit(_ change: OrderChange, _ effect: RequestEffect) async throws -> CommitResult {
    let token = OrderID.generate(at: change.now).rawValue
    do {
      try await database.transaction { try Self.write(change, effect, token: token, $0) }
    } catch Lost.race {
      return .lost
    } catch MongoFailure.duplicateKey(RequestLog.index, _) {
      // The same request id was used a moment ago: who looks it up will see what for.
      return .lost
    } catch MongoFailure.writeConflict {
      // The other writer has committed, or is about to.
      return .lost
    } catch MongoFailure.unknownCommitResult {
      // The token tells our write from any other of the same version.
      guard try await isThere(token, of: change.after.id) else { throw MongoFailure.unknownCommitResult }
    }
    if !change.audit.isEmpty { wakeOutbox() }
    return .committed
  }

  /// Whether the order's last change is the one of `token`, looked up after a commit of unknown outcome.
  ///
  /// More than once, because reads see what a majority has: a commit may have happened a moment ago and not be there
  /// yet.
  private func isThere(_ token: String, of order: OrderID) async throws -> Bool {
    for attempt in 1...Self.lookUpsMax {
      let last = try await database.run { connection in
        try connection.findOne(Collections.orders, ["_id": .id(order)], projection: ["changeToken": 1])?
          .optionalString("changeToken")
      }
      if last == token { return true }
      if attempt < Self.lookUpsMax { try await Task.sleep(for: Self.lookUpPause) }
    }
    return false
  }

  private static func write(
    _ change: OrderChange, _ effect: RequestEffect, token: String, _ connection: MongoConnection
  ) throws {
    let before = change.before
    var filter: [(String, BSONValue)] = [
      ("_id", .id(before.id)), ("workflowStatus", .string(before.workflowStatus.rawValue)),
      ("version", .int64(before.version)),
    ]
    if !change.ignoresFreeze { filter.append(("frozen", false)) }
    var fields = change.after.changingFields(changedBy: change.actor.id) + [("changeToken", .string(token))]
    if change.changesPurchase { fields += change.after.purchaseFields }
    let result = try connection.updateOne(
      Collections.orders, BSONDocument(filter), ["$set": .document(BSONDocument(fields))])
    guard result.matched == 1 else { throw Lost.race }
    if change.discardsProofs { try connection.deleteMany(Collections.orderProofs, ["orderId": .id(before.id)]) }
    try RequestRows.apply(effect, now: change.now, connection)
    try appendAudit(of: change, connection)
  }

  private static func appendAudit(of change: OrderChange, _ connection: MongoConnection) throws {
    guard !change.audit.isEmpty else { return }
    let entries = change.audit.map { note in
      AuditEntry(
        action: note.action.rawValue, entityType: "Order", entityID: change.after.id.rawValue, actor: change.actor,
        metadata: note.metadata.mapValues(AuditValue.init), occurredAt: change.now)
    }
    try Outbox.append(
      entries, aggregate: "order/\(change.after.id)", seq: change.after.version,
      eventKey: "order/\(change.after.id)/\(change.after.version)", now: change.now, in: connection)
  }

  public func recall(_ key: RequestKey, at now: Timestamp) async throws -> RequestMemory {
    try await database.run { try RequestRows.find(key, now: now, $0) }
  }

  public func remember(_ key: RequestKey, _ answer: RequestAnswer, at now: Timestamp) async throws {
    try await database.transaction { try RequestRows.apply(.answer(key, answer), now: now, $0) }
  }
}

extension AuditValue {
  init(_ detail: AuditDetail) {
    self =
      switch detail {
      case .text(let text): .string(text)
      case .number(let number): .int(number)
      case .flag(let flag): .bool(flag)
      case .list(let texts): .list(texts.map(AuditValue.string))
      }
  }
}

extension MongoFailure {
  /// Another writer won this time.
  fileprivate var isConflict: Bool {
    switch self {
    case .writeConflict, .transientTransaction: true
    default: false
    }
  }
}

extension BSONDocument {
  fileprivate func without(_ key: String) throws -> BSONDocument {
    BSONDocument(try fields().filter { $0.key != key }.map { ($0.key, $0.value) })
  }
}
