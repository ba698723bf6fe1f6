import Kernel

/// Lets the creations of one shopper take turns within this process.
///
/// They all write the shopper's lock document, so two at once mean a write conflict for one of them. In line they wait
/// a few milliseconds instead. For speed only: between processes the database decides.
actor ShopperTurns {
  /// Waiters per shopper; more than a daily limit's worth can never be admitted.
  static let waitersMax = 256

  /// A shopper has an entry while somebody has the turn.
  private var waiting: [UserID: [CheckedContinuation<Void, Never>]] = [:]

  /// Fails with `SERVICE_UNAVAILABLE` when the line is full.
  func enter(_ shopper: UserID) async throws(Failure) {
    guard let line = waiting[shopper] else {
      waiting[shopper] = []
      return
    }
    guard line.count < Self.waitersMax else {
      throw Failure(.serviceUnavailable, "too many orders of this shopper at once")
    }
    await withCheckedContinuation { waiting[shopper, default: []].append($0) }
  }

  func leave(_ shopper: UserID) {
    guard var line = waiting[shopper], !line.isEmpty else {
      waiting[shopper] = nil
      return
    }
    let next = line.removeFirst()
    waiting[shopper] = line
    next.resume()
  }
}
