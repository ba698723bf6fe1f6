internal import Synchronization

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// SIGTERM and SIGINT: the first asks for an orderly end, the second ends the process at once.
public final class TerminationSignals: Sendable {
  private struct State {
    var isReceived = false
    var actions: [@Sendable () -> Void] = []
  }

  private let state = Mutex(State())
  // Written in `init` only. The sources hold us too: we live as long as the process.
  nonisolated(unsafe) private var sources: [SignalSource] = []

  /// Takes over the signals, before the process says that it is there. Call once per process.
  public init() {
    sources = [SIGTERM, SIGINT].map { number in SignalSource(number) { self.receive(number) } }
  }

  /// Runs `action` at the first signal, or at once if it has come already.
  public func onFirst(_ action: @escaping @Sendable () -> Void) {
    let isReceived = state.withLock { state in
      if !state.isReceived { state.actions.append(action) }
      return state.isReceived
    }
    if isReceived { action() }
  }

  /// Returns after the first signal.
  public func first() async {
    await withCheckedContinuation { continuation in onFirst { continuation.resume() } }
  }

  /// True once a signal has come.
  public var isReceived: Bool { state.withLock { $0.isReceived } }

  private func receive(_ number: Int32) {
    let actions = state.withLock { state -> [@Sendable () -> Void]? in
      guard !state.isReceived else { return nil }
      state.isReceived = true
      defer { state.actions = [] }
      return state.actions
    }
    guard let actions else { _exit(128 + number) }  // As a shell reports a process that the signal killed.
    for action in actions { action() }
  }
}
