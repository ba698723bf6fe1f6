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
    let actor = try document.document("actor")
    self.init(
      plan: plan, startedAt: try document.datetime("startedAt"), touchedAt: try document.datetime("touchedAt"),
      attempt: try document.int32("attempt"),
      actor: Actor(
        id: try actor.string("id"), roles: try actor.strings("roles").compactMap { Role(rawValue: $0) },
        requestID: try actor.optionalString("requestId")),
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
      "attempt": .int32(attempt),
      "actor": [
        "id": .string(actor.id), "roles": .strings(actor.roles.map(\.rawValue)),
        "requestId": .optional(actor.requestID),
      ],
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
      refusal: try document.optionalDocument("refusal").map { refusal in
        Refusal(code: try refusal.choice("code"), message: try refusal.string("message"))
      })
  }

  var document: BSONDocument {
    let stored: BSONDocument? = refusal.map { ["code": .string($0.code.rawValue), "message": .string($0.message)] }
    return [
      "step": .string(step.rawValue), "seq": .int32(seq), "mode": .string(mode.rawValue), "ref": .optional(ref),
      "overrideCooling": .bool(overrideCooling), "mediatorUserId": .optional(mediatorUserID),
      "refusal": .optional(stored),
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
