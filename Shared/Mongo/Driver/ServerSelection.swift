import Kernel
import Synchronization

/// Waiting for a primary while none is known: one thread asks on behalf of everybody, so that a lost database does
/// not occupy the pool, and each caller gives up at its own time.
final class ServerSelection: Sendable {
  private struct State {
    var waiting: [UInt64: PendingCall<Void>] = [:]
    var nextID: UInt64 = 0
    var isAsking = false
  }

  private let state = Mutex(State())
  private let workers: WorkerPool
  private let observer: TopologyObserver

  init(_ workers: WorkerPool, _ observer: TopologyObserver) {
    self.workers = workers
    self.observer = observer
  }

  /// Returns when a primary is known. Fails with `network` at `deadline`.
  func awaitPrimary(until deadline: Deadline) async throws {
    let call = PendingCall<Void>()
    let (id, asks) = state.withLock { state in
      state.nextID += 1
      state.waiting[state.nextID] = call
      defer { state.isAsking = true }
      return (state.nextID, !state.isAsking)
    }
    defer { state.withLock { _ = $0.waiting.removeValue(forKey: id) } }
    try await call.value {
      call.expire(at: deadline, with: .network("no primary: \(self.observer.lastError)"))
      if asks { self.ask() }
    }
  }

  private func ask() {
    Task.detached {
      while true {
        let found: Bool
        do {
          try await self.workers.perform(until: nil) { context, _ in try context.client.awaitPrimary() }
          found = true
        } catch MongoFailure.closed {
          return self.finish(.failure(MongoFailure.closed))
        } catch {
          found = false
        }
        if found { return self.finish(.success(())) }
        // Everybody has given up: the next caller asks again.
        let isAlone = self.state.withLock { state in
          if state.waiting.isEmpty { state.isAsking = false }
          return !state.isAsking
        }
        if isAlone { return }
        // Asking can fail at once, for example when the pool is full.
        do { try await Task.sleep(for: .milliseconds(100)) } catch { return }
      }
    }
  }

  private func finish(_ result: Result<Void, any Error>) {
    let calls = state.withLock { state in
      state.isAsking = false
      defer { state.waiting = [:] }
      return state.waiting.values
    }
    for call in calls { call.resolve(result) }
  }
}
