import Kernel
import Mongo
import OrderDomain

extension PendingSaga {
  private static let reserving = "reserving"
  private static let settling = "settling"

  init(_ document: BSONDocument) throws {
    let kind = try document.string("kind")
    let plan: Plan
    switch kind {
    case Self.reserving: plan = .reserving
    case Self.settling: plan = .settling(try SettlementPlan(try document.document("settlement")))
    default: throw MongoFailure.malformedDocument("`pendingSaga.kind` has a value that is not known here")
    }
    self.init(
      plan: plan, startedAt: try document.datetime("startedAt"), touchedAt: try document.datetime("touchedAt"),
      attempt: try document.int32("attempt"), actor: try Actor(try document.document("actor")),
      request: try document.optionalDocument("request").map { try RequestKey($0) })
  }

  var document: BSONDocument {
    let kind: String
    let settlement: BSONDocument?
    switch plan {
    case .reserving: (kind, settlement) = (Self.reserving, nil)
    case .settling(let plan): (kind, settlement) = (Self.settling, plan.document)
    }
    return [
      "kind": .string(kind), "startedAt": .datetime(startedAt), "touchedAt": .datetime(touchedAt),
      "attempt": .int32(attempt), "actor": .document(actor.document),
      "request": .optional(request?.document), "settlement": .optional(settlement),
    ]
  }
}

extension SettlementPlan {
  init(_ document: BSONDocument) throws {
    self.init(
      step: try document.choice("step"), seq: try document.int32("seq"), mode: try document.choice("mode"),
      ref: try document.optionalString("ref"), overrideCooling: try document.bool("overrideCooling"),
      mediatorUserID: try document.optionalID("mediatorUserId"),
      refusal: try document.optionalDocument("refusal").map { try Refusal($0) })
  }

  var document: BSONDocument {
    [
      "step": .string(step.rawValue), "seq": .int32(seq), "mode": .string(mode.rawValue), "ref": .optional(ref),
      "overrideCooling": .bool(overrideCooling), "mediatorUserId": .optional(mediatorUserID),
      "refusal": .optional(refusal?.document),
    ]
  }
}

extension Refusal {
  init(_ document: BSONDocument) throws {
    self.init(code: try document.choice("code"), message: try document.string("message"))
  }

  var document: BSONDocument { ["code": .string(code.rawValue), "message": .string(message)] }
}

extension SagaRefusal {
  init(_ document: BSONDocument) throws {
    self.init(
      startedAt: try document.datetime("startedAt"), refusal: try Refusal(try document.document("refusal")))
  }

  var document: BSONDocument { ["startedAt": .datetime(startedAt), "refusal": .document(refusal.document)] }
}

/// For whom something is done, however late: with the client of the call, so that audit entries can name it.
extension Actor {
  init(_ document: BSONDocument) throws {
    self.init(
      id: try document.string("id"), roles: try document.strings("roles").compactMap { Role(rawValue: $0) },
      requestID: try document.optionalString("requestId"),
      client: ClientDescription(
        ip: try document.optionalString("ip"), userAgent: try document.optionalString("userAgent")))
  }

  var document: BSONDocument {
    [
      "id": .string(id), "roles": .strings(roles.map(\.rawValue)), "requestId": .optional(requestID),
      "ip": .optional(client?.ip), "userAgent": .optional(client?.userAgent),
    ]
  }
}

extension RequestKey {
  init(_ document: BSONDocument) throws {
    self.init(
      callerID: try document.string("callerId"), rpc: try document.string("rpc"),
      requestID: try document.string("requestId"), fingerprint: try document.string("fingerprint"))
  }

  var document: BSONDocument {
    [
      "callerId": .string(callerID), "rpc": .string(rpc), "requestId": .string(requestID),
      "fingerprint": .string(fingerprint),
    ]
  }
}
