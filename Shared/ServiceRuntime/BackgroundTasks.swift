import Kernel
import Logging

/// Keeps the background tasks of a service running until they are cancelled.
struct BackgroundTasks: Sendable {
  /// Pauses before a task that failed is started again: short for a hiccup, long for a task that cannot work.
  private static let pauseMin = Duration.milliseconds(500)
  private static let pauseMax = Duration.seconds(30)
  /// A task that worked for so long has recovered.
  private static let recoveredAfter = Duration.seconds(60)

  let tasks: [ServiceAssembly.BackgroundTask]
  let logger: Logger

  /// Returns when every task has ended after cancellation.
  func run() async {
    await withTaskGroup(of: Void.self) { group in
      for task in tasks {
        group.addTask { await keepRunning(task) }
      }
    }
  }

  private func keepRunning(_ task: ServiceAssembly.BackgroundTask) async {
    var pause = Self.pauseMin
    while !Task.isCancelled {
      let started = ContinuousClock.now
      var reason = "it returned"
      do {
        try await task.run()
      } catch is CancellationError {
        reason = "it was cancelled"
      } catch {
        reason = "\(error)"
      }
      guard !Task.isCancelled else { return }
      if started.duration(to: .now) > Self.recoveredAfter { pause = Self.pauseMin }
      logger.error(
        "background task ended and starts again", metadata: ["task": "\(task.name)", "reason": "\(reason)"])
      do { try await Task.sleep(for: pause, clock: .continuous) } catch { return }
      pause = min(pause * 2, Self.pauseMax)
    }
  }
}
