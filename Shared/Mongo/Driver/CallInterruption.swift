import Kernel
import Synchronization

/// Ends at the server what a cancelled caller left running there, so that the work's thread, its cursors and its
/// documents are free at once and not when the work's time is over.
///
/// One for each unit of work. The server ends whatever runs on the work's logical session; that session must not be
/// used by anybody else before this is done, so whoever ran the work waits for it.
final class CallInterruption: Sendable {
  private enum State {
    /// Not begun, or over.
    case idle
    case running(BSONDocument)
    case interrupting(Gate)
  }

  private let state = Mutex(State.idle)
  private let interrupter: Interrupter

  init(by interrupter: Interrupter) {
    self.interrupter = interrupter
  }

  /// Runs `body`, which may be interrupted meanwhile, on the work's thread.
  func interruptible<Value>(_ session: DriverSession, _ body: () throws -> Value) rethrows -> Value {
    state.withLock { $0 = .running(session.id) }
    defer { withExtendedLifetime(session) { end() } }
    return try body()
  }

  /// Most work is over by itself in a moment, and then nothing has to be sent.
  func callerLeft() {
    _ = DeadlineWatch.shared.watch(.after(Limits.interruptionPatience)) { self.interrupt() }
  }

  private func interrupt() {
    let begun = state.withLock { state -> (session: BSONDocument, gate: Gate)? in
      guard case .running(let session) = state else { return nil }
      let gate = Gate()
      state = .interrupting(gate)
      return (session, gate)
    }
    if let (session, gate) = begun { interrupter.kill(session) { gate.open() } }
  }

  private func end() {
    let gate = state.withLock { state -> Gate? in
      defer { state = .idle }
      if case .interrupting(let gate) = state { return gate }
      return nil
    }
    gate?.wait()
  }
}

/// The connection over which running work is ended: never one of those that are busy.
final class Interrupter: Sendable {
  private let workers: WorkerPool

  init(_ driver: DriverPool) {
    workers = WorkerPool(
      driver, WorkerPool.Settings(sizeMax: 1, sizeMin: 0, queueTimeout: Limits.interruptionMax))
  }

  /// Ends what runs on the session. `done` is called when the server has answered or will no longer be asked.
  func kill(_ session: BSONDocument, _ done: @escaping @Sendable () -> Void) {
    Task.detached {
      // A server that cannot be reached does nothing for us; its work ends with its time limit.
      _ = try? await self.workers.perform(until: nil) { context, _ in
        try context.client.command(
          ["killSessions": .documents([session])], database: "admin", session: nil, within: Limits.interruptionMax)
      }
      done()
    }
  }

  func close() async {
    await workers.close(within: Limits.closeGrace)
  }
}

/// Opened once; threads wait for it.
private final class Gate: @unchecked Sendable {
  // Unchecked: `isOpen` is guarded by `monitor`.
  private let monitor = Monitor()
  private var isOpen = false

  func open() {
    monitor.locked {
      isOpen = true
      monitor.signal()
    }
  }

  func wait() {
    monitor.locked {
      while !isOpen { monitor.wait(atMost: nil) }
    }
  }
}
