import Kernel
import Messages
import RPC
import Stubs

/// Follows the health of another service, as that service tells it.
struct DependencyWatch: Sendable {
  /// Between two attempts to reach a service that is not there.
  static let pause = Duration.seconds(1)
  /// A watch has no end of its own; it is begun anew after this time.
  static let deadline = Duration.seconds(86_400)

  private let health: HealthClient

  init(_ channel: RPCChannel) {
    health = HealthClient(channel)
  }

  /// Tells whether the service can be worked with, whenever that may have changed, until the task is cancelled.
  func run(_ tell: @Sendable (Bool) -> Void) async throws {
    while true {
      let hasAnswered = try await watch(tell)
      tell(false)
      // Who has just answered may only have ended: another process of the service is asked at once.
      if !hasAnswered { try await Task.sleep(for: Self.pause, clock: .continuous) }
    }
  }

  /// One watch, from its begin to its end. True if there was an answer.
  private func watch(_ tell: @Sendable (Bool) -> Void) async throws -> Bool {
    let options = CallOptions(deadline: Self.deadline, retry: .none)
    var hasAnswered = false
    do {
      hasAnswered = try await health.watch(.init(), options: options) { answers in
        var hasAnswered = false
        do {
          for try await answer in answers {
            hasAnswered = true
            tell(answer.status == .serving)
          }
        } catch {
          guard hasAnswered else { throw error }
        }
        return hasAnswered
      }
    } catch {
      // Whatever it was, the service does not answer.
    }
    try Task.checkCancellation()
    return hasAnswered
  }
}
