import Kernel
import Messages
import RPC
import Stubs
import Synchronization

/// Follows the health of another service, as that service tells it.
struct DependencyWatch: Sendable {
  /// Between two attempts to reach a service that is not there.
  static let pause = Duration.seconds(1)
  /// How long the next watch may take to be answered when one has ended that was: connections grow old and processes
  /// are replaced, and neither means that the service does not work.
  static let doubt = Duration.seconds(1)
  /// A watch has no end of its own; it is begun anew after this time.
  static let deadline = Duration.seconds(86_400)

  /// One watch, which tells only what is so.
  private final class Attempt: Sendable {
    private let tell: @Sendable (Bool) -> Void
    private let answered = Mutex(false)

    init(_ tell: @escaping @Sendable (Bool) -> Void) {
      self.tell = tell
    }

    var hasAnswer: Bool { answered.withLock { $0 } }

    func answer(_ works: Bool) {
      answered.withLock { answered in
        answered = true
        tell(works)
      }
    }

    /// There should have been an answer by now.
    func giveUp() {
      answered.withLock { if !$0 { tell(false) } }
    }
  }

  private let health: HealthClient

  init(_ channel: RPCChannel) {
    health = HealthClient(channel)
  }

  /// Tells whether the service can be worked with, whenever that may have changed, until the task is cancelled.
  func run(_ tell: @escaping @Sendable (Bool) -> Void) async throws {
    var isTrusted = false
    while true {
      let attempt = Attempt(tell)
      let doubt = isTrusted ? Self.after(Self.doubt) { attempt.giveUp() } : nil
      defer { doubt?.cancel() }
      try await watch(attempt)
      attempt.giveUp()
      isTrusted = attempt.hasAnswer
      if !isTrusted { try await Task.sleep(for: Self.pause, clock: .continuous) }
    }
  }

  private static func after(_ time: Duration, _ action: @escaping @Sendable () -> Void) -> Task<Void, any Error> {
    Task {
      try await Task.sleep(for: time, clock: .continuous)
      action()
    }
  }

  /// One watch, from its begin to its end.
  private func watch(_ attempt: Attempt) async throws {
    let options = CallOptions(deadline: Self.deadline, retry: .none)
    do {
      try await health.watch(.init(), options: options) { answers in
        for try await answer in answers { attempt.answer(answer.status == .serving) }
      }
    } catch {
      // Whatever it was, the service answers no longer.
    }
    try Task.checkCancellation()
  }
}
