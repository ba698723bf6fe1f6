import Kernel

/// The key of a posting whose refusal may be final (DOMAIN 7.5): the try under way, and those refused before it.
struct VoidableKey: Sendable {
  /// Every try is a key to look up; nobody settles one order so often.
  static let triesMax: Int32 = 1_000

  /// How many tries were refused with `resolve`.
  let voidedTries: Int32
  let current: PostingKey
  private let earlier: [PostingKey]

  /// `key` forms the key of a try from the number of tries refused before. Fails with `VALIDATION_FAILED` when
  /// `voidedTries` is beyond its limit.
  init(voidedTries: Int32, _ key: (_ voidedTries: Int32) -> PostingKey) throws(Failure) {
    guard (0...Self.triesMax).contains(voidedTries) else {
      throw .validation("voidedTries", "must be between 0 and \(Self.triesMax)")
    }
    self.voidedTries = voidedTries
    current = key(voidedTries)
    earlier = (0..<voidedTries).map(key)
  }

  var all: Set<PostingKey> { Set(earlier + [current]) }

  /// The try that posted, if one did. Fails with the stored refusal of the current one.
  func replay(in ledger: Ledger, _ fingerprint: Fingerprint) throws(Failure) -> PostingKey? {
    for key in earlier {
      // A try that posted after all is the posting; one that may still post forbids another.
      if try ledger.posting(key, fingerprint) != nil { return key }
      guard ledger.voided[key] != nil else {
        throw Failure(.idempotencyMismatch, "\(key.text) was never refused for good: repeat it instead")
      }
    }
    if try ledger.posting(current, fingerprint) != nil { return current }
    if let refusal = ledger.voided[current] { throw refusal.failure }
    return nil
  }
}
