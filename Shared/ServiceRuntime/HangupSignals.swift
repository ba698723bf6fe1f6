import Signals

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// SIGHUP: asks the process to read its certificates anew. One that comes while another waits adds nothing.
final class HangupSignals: Sendable {
  let requests: AsyncStream<Void>
  private let source: SignalSource

  /// Takes over the signal. Call once per process.
  init() {
    let (requests, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.requests = requests
    source = SignalSource(SIGHUP) { continuation.yield() }
  }
}
