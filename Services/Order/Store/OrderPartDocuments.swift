import Kernel
import Mongo
import OrderDomain

// The subdocuments of an order.

extension OrderItem {
  init(_ document: BSONDocument) throws {
    self.init(
      title: try document.string("title"), image: try document.string("image"),
      platform: try document.string("platform"), brandName: try document.string("brandName"),
      dealType: try document.choice("dealType"), quantity: try document.int32("quantity"),
      unitPrice: try document.money("unitPricePaise"))
  }

  var document: BSONDocument {
    [
      "title": .string(title), "image": .string(image), "platform": .string(platform), "brandName": .string(brandName),
      "dealType": .string(dealType.rawValue), "quantity": .int32(quantity), "unitPricePaise": .money(unitPrice),
    ]
  }
}

extension ProofState {
  init(_ document: BSONDocument) throws {
    self.init(
      version: try document.int32("version"), submittedAt: try document.datetime("submittedAt"),
      sha256: try document.optionalString("sha256"))
  }

  /// `present` is for those who look at the database: an absent proof is null here.
  var document: BSONDocument {
    [
      "present": true, "version": .int32(version), "submittedAt": .datetime(submittedAt), "sha256": .optional(sha256),
    ]
  }
}

extension VerificationState {
  init(_ document: BSONDocument) throws {
    self.init(
      verifiedAt: try document.datetime("verifiedAt"), verifiedBy: try document.string("verifiedBy"),
      autoVerified: try document.bool("autoVerified"),
      confidenceScore: try document.optionalInt32("confidenceScore"))
  }

  var document: BSONDocument {
    [
      "verifiedAt": .datetime(verifiedAt), "verifiedBy": .string(verifiedBy), "autoVerified": .bool(autoVerified),
      "confidenceScore": .optional(confidenceScore),
    ]
  }
}

extension ProofVerdict {
  var document: BSONDocument {
    ["duplicateProof": .bool(duplicateOf != nil), "duplicateOf": .optional(duplicateOf)]
  }
}

extension Rejection {
  init(_ document: BSONDocument) throws {
    self.init(
      type: try document.choice("type"), reason: try document.string("reason"), at: try document.datetime("at"),
      by: try document.string("by"), final: try document.bool("final"))
  }

  var document: BSONDocument {
    [
      "type": .string(type.rawValue), "reason": .string(reason), "at": .datetime(at), "by": .string(by),
      "final": .bool(final),
    ]
  }
}

extension MissingProofRequest {
  init(_ document: BSONDocument) throws {
    self.init(
      type: try document.choice("type"), note: try document.optionalString("note"),
      requestedAt: try document.datetime("requestedAt"), requestedBy: try document.string("requestedBy"))
  }

  var document: BSONDocument {
    [
      "type": .string(type.rawValue), "note": .optional(note), "requestedAt": .datetime(requestedAt),
      "requestedBy": .string(requestedBy),
    ]
  }
}

extension Settlement {
  init(_ document: BSONDocument) throws {
    self.init(
      seq: try document.int32("seq"), mode: try document.choice("mode"), ref: try document.optionalString("ref"),
      settledAt: try document.datetime("settledAt"), settledBy: try document.string("settledBy"))
  }

  var document: BSONDocument {
    [
      "seq": .int32(seq), "mode": .string(mode.rawValue), "ref": .optional(ref), "settledAt": .datetime(settledAt),
      "settledBy": .string(settledBy),
    ]
  }
}

extension OrderEvent {
  init(_ document: BSONDocument) throws {
    var metadata: [String: String] = [:]
    for (key, value) in try document.document("metadata").fields() {
      guard case .string(let text) = value else {
        throw MongoFailure.malformedDocument("`events[].metadata.\(key)` is no string")
      }
      metadata[key] = text
    }
    self.init(
      type: try document.choice("type"), at: try document.datetime("at"),
      actorUserID: try document.string("actorUserId"), metadata: metadata)
  }

  var document: BSONDocument {
    let facts = metadata.sorted { $0.key < $1.key }.map { ($0.key, BSONValue.string($0.value)) }
    return [
      "type": .string(type.rawValue), "at": .datetime(at), "actorUserId": .string(actorUserID),
      "metadata": .document(BSONDocument(facts)),
    ]
  }
}
