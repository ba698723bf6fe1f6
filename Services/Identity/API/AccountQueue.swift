import Kernel

/// Lets the writes of one account happen one after another.
///
/// Parallel guesses at one password would otherwise conflict inside MongoDB, use up their three attempts and answer
/// `DATABASE_UNAVAILABLE`. Different accounts do not wait for each other, and nothing rests on this for correctness:
/// another replica's write is met by the transaction.
actor AccountQueue {
  /// Who waits behind the one that runs; an entry exists while somebody runs.
  private var waiting: [UserID: [CheckedContinuation<Void, Never>]] = [:]

  func run<Value: Sendable>(_ id: UserID, _ work: @Sendable () async throws -> Value) async throws -> Value {
    await enter(id)
    defer { leave(id) }
    // Who waited in vain does not work either.
    try Task.checkCancellation()
    return try await work()
  }

  private func enter(_ id: UserID) async {
    guard waiting[id] != nil else {
      waiting[id] = []
      return
    }
    await withCheckedContinuation { waiting[id]?.append($0) }
  }

  private func leave(_ id: UserID) {
    guard var line = waiting[id], !line.isEmpty else {
      waiting[id] = nil
      return
    }
    let next = line.removeFirst()
    waiting[id] = line
    next.resume()
  }
}
