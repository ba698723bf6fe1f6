internal import Dispatch

#if canImport(Darwin)
  internal import Darwin
#endif

/// Runs a block when a signal comes, instead of what the system would do by itself.
///
/// From the moment that `init` returns no signal is lost or ends the process; until then the default action holds.
/// Signals that come while one waits to be handled are one (signal(7)).
public final class SignalSource: Sendable {
  // Never changes; Dispatch does not say that its sources are Sendable.
  nonisolated(unsafe) private let source: any DispatchSourceSignal

  /// - Parameter handle: called one at a time, on a queue of its own, for as long as the source is kept.
  public init(_ number: Int32, handle: @escaping @Sendable () -> Void) {
    source = DispatchSource.makeSignalSource(signal: number, queue: DispatchQueue(label: "signal.\(number)"))
    source.setEventHandler(handler: handle)
    // Dispatch takes the signal over on another thread. To ignore it meanwhile, as is often advised, would lose one
    // that comes before that: the kernel throws away what is ignored.
    let isRegistered = DispatchSemaphore(value: 0)
    source.setRegistrationHandler { isRegistered.signal() }
    source.activate()
    isRegistered.wait()
    #if canImport(Darwin)
      signal(number, SIG_IGN)  // kqueue(2) tells of it all the same; the default action would end the process.
    #endif
  }
}
