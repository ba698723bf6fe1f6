public import CampaignDomain
public import Kernel
import Mongo
import Reliability

/// Why a slot change has to be decided again. Never leaves the store.
private enum Lost: Error {
  /// A document was not in the version that was read.
  case race
}

extension MongoCampaignStore {
  /// Transactions tried for one command. The database layer retries a conflicting transaction by itself; this counts
  /// how often all of that is worth repeating when other processes fight for the same campaign.
  private static let attemptsMax = 5

  public func apply(_ step: SlotStep, by actor: Actor, at now: Timestamp) async throws -> SlotOutcome {
    guard let campaign = try await campaign(of: step.command) else {
      throw Reservation.notFound(step.command.orderID)
    }
    return try await turns.run(campaign) {
      try await commit(step, of: campaign, by: actor, at: now)
    }
  }

  public func book(for claim: SlotClaim) async throws -> SlotBook {
    try await database.run { try Self.book(for: .reserve(claim), of: claim.campaignID, $0) }
  }

  private func campaign(of command: SlotCommand) async throws -> CampaignID? {
    if case .reserve(let claim) = command { return claim.campaignID }
    return try await reservation(of: command.orderID)?.campaignID
  }

  /// Load, decide, write; again if another process was faster or the outcome is unknown. Repeating is safe, because
  /// a change that did happen is found by its order id and answered as a repetition.
  private func commit(
    _ step: SlotStep, of campaign: CampaignID, by actor: Actor, at now: Timestamp
  ) async throws -> SlotOutcome {
    for attempt in 1...Self.attemptsMax {
      do {
        let outcome = try await database.transaction(findsItself: true) { connection in
          try Self.decideAndWrite(step, of: campaign, by: actor, at: now, connection)
        }
        if !outcome.replayed { wakeOutbox() }
        return outcome
      } catch Lost.race {
      } catch let failure as MongoFailure where failure.mayBeDecidedAgain {
      }
      try await Task.sleep(for: .milliseconds(Int.random(in: 5...20) * attempt))
    }
    throw Failure(.concurrentModification, "the campaign changed too often at the same time: send it again")
  }

  private static func decideAndWrite(
    _ step: SlotStep, of campaignID: CampaignID, by actor: Actor, at now: Timestamp, _ connection: MongoConnection
  ) throws -> SlotOutcome {
    let book = try book(for: step.command, of: campaignID, connection)
    switch try book.decide(step, now: now) {
    case .unchanged(let reservation):
      return SlotOutcome(reservation: reservation, replayed: true)
    case .raise(let reservation):
      try write(reservation, over: book.reservation, connection)
      return SlotOutcome(reservation: reservation, replayed: true)
    case .change(let change):
      try write(change, over: book, connection)
      try record(change, by: actor, at: now, connection)
      return SlotOutcome(reservation: change.reservation, replayed: false)
    }
  }

  private static func book(
    for command: SlotCommand, of campaignID: CampaignID, _ connection: MongoConnection
  ) throws -> SlotBook {
    let reservation = try reservation(of: command.orderID, connection)
    // A claim of another slot than the one the order has is refused by the decision, whatever the counters say.
    if let reservation, reservation.campaignID != campaignID {
      return SlotBook(campaign: nil, assignments: [], reservation: reservation)
    }
    let codes: [PartyCode]
    if let reservation {
      codes = [reservation.mediatorCode, reservation.agencyCode]
    } else if case .reserve(let claim) = command {
      codes = claim.codes
    } else {
      codes = []
    }
    let campaign = try connection.findOne(Campaign.collection, ["_id": .id(campaignID)])
    return SlotBook(
      campaign: try campaign.map { try Campaign($0) },
      assignments: try assignments(of: codes, in: [campaignID], connection), reservation: reservation)
  }

  /// Every update is conditional on what was read; the transaction's snapshot protects the rest.
  private static func write(_ change: SlotChange, over book: SlotBook, _ connection: MongoConnection) throws {
    if let campaign = change.campaign {
      let result = try connection.updateOne(
        Campaign.collection, ["_id": .id(campaign.id), "version": .int64(campaign.version - 1)], campaign.slotUpdate)
      guard result.matched == 1 else { throw Lost.race }
    }
    for assignment in change.assignments {
      let result = try connection.updateOne(
        Assignment.collection, ["_id": .id(assignment.id), "version": .int64(assignment.version - 1)],
        assignment.slotUpdate)
      guard result.matched == 1 else { throw Lost.race }
    }
    try write(change.reservation, over: book.reservation, connection)
  }

  private static func write(
    _ reservation: Reservation, over before: Reservation?, _ connection: MongoConnection
  ) throws {
    guard let before else {
      try connection.insertOne(Reservation.collection, reservation.document)
      return
    }
    let result = try connection.updateOne(
      Reservation.collection, ["_id": .id(before.id), "state": .string(before.state.rawValue)],
      reservation.stateUpdate)
    guard result.matched == 1 else { throw Lost.race }
  }

  private static func record(
    _ change: SlotChange, by actor: Actor, at now: Timestamp, _ connection: MongoConnection
  ) throws {
    guard let entry = SlotReleaseEntry(change) else { return }
    try Outbox.append(
      [
        AuditEntry(
          action: SlotReleaseEntry.action, entityType: SlotReleaseEntry.entityType,
          entityID: entry.campaignID.rawValue, actor: .system(behind: actor),
          metadata: ["orderId": .string(entry.orderID.rawValue), "reason": .string(entry.reason)], occurredAt: now)
      ],
      aggregate: "campaign/\(entry.campaignID)", seq: change.campaign?.version ?? 0, eventKey: entry.eventKey,
      now: now, in: connection)
  }
}

extension MongoFailure {
  /// Another writer won, or nobody knows who did: loading again shows. A database that cannot answer is not tried
  /// again here, because its own attempts are used up (DOMAIN 0.4).
  fileprivate var mayBeDecidedAgain: Bool {
    switch self {
    case .duplicateKey, .writeConflict, .unknownCommitResult: true
    default: false
    }
  }
}
