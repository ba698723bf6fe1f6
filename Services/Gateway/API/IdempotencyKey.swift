import HTTP
import Kernel

/// The `Idempotency-Key` header. What it may look like is the rule of the field `request_id`, which it becomes.
enum IdempotencyKey {
  /// Nil without the header. Fails with `VALIDATION_FAILED` when it is given twice: nobody could say which one counts.
  static func given(in headers: HTTPFields) throws(Failure) -> String? {
    let values = headers.all("idempotency-key")
    guard values.count <= 1 else { throw .validation("Idempotency-Key", "must be given at most once") }
    return values.first
  }
}
