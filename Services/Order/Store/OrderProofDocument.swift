import Kernel
import Mongo
import OrderDomain

/// A picture as a document of `order_proofs`. A collection of its own, because pictures would break the size limit of
/// an order's document and make lists slow.
extension NewProof {
  func document(id: OrderID) -> BSONDocument {
    [
      "_id": .id(id), "orderId": .id(orderID), "type": .string(type.rawValue), "version": .int32(version),
      "contentType": .string(image.kind.rawValue), "bytes": .binary(image.bytes), "sha256": .string(image.sha256),
      "sizeBytes": .int64(Int64(image.bytes.count)), "state": "current", "submittedBy": .id(submittedBy),
      "submittedAt": .datetime(submittedAt), "createdAt": .datetime(submittedAt), "updatedAt": .datetime(submittedAt),
    ]
  }
}
