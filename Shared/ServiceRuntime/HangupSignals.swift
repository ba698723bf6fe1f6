import Dispatch

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// SIGHUP: asks the process to read its certificates anew. One that comes while another waits adds nothing.
final class HangupSignals: Sendable {
  let requests: AsyncStream<Void>
  // Written in `init` only; kept so that the source lives as long as the process.
  nonisolated(unsafe) private let source: any DispatchSourceSignal

  /// Takes over the signal. Call once per process.
  init() {
    let (requests, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    self.requests = requests
    signal(SIGHUP, SIG_IGN)  // The source sees it all the same; the default action would end us.
    source = DispatchSource.makeSignalSource(signal: SIGHUP, queue: DispatchQueue(label: "hangup"))
    source.setEventHandler { continuation.yield() }
    source.activate()
  }
}
