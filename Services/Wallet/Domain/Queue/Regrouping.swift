/// Whether it pays to wait after a small batch for those who were just answered.
///
/// Callers who call again as soon as they are answered would stay divided: while the batch of one half is committed the
/// other half waits, and a commit takes as long for few as for twice as many. Where batches are large it is the other
/// way round: while one half is committed, the other is answered, read and decided.
struct Regrouping: Sendable {
  private let callersMax: Int
  /// After how many further batches the next attempt is made.
  private var skips = 0

  init(callersMax: Int) {
    self.callersMax = callersMax
  }

  /// How many to wait for after a batch of so many, while so many others wait; nil where waiting does not pay, or did
  /// not the last time.
  mutating func awaited(after batch: Int, beside others: Int) -> Int? {
    guard batch > 0, batch + others > 1, batch + others <= callersMax else { return nil }
    guard skips == 0 else {
      skips -= 1
      return nil
    }
    return batch
  }

  /// So many came while `awaited` were waited for.
  mutating func came(_ count: Int, of awaited: Int) {
    if count * 2 < awaited { skips = Self.skipsAfterMiss }
  }

  private static let skipsAfterMiss = 16
}
