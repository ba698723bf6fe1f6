import Dispatch
import Foundation

/// Calls a block for each SIGTERM and SIGINT, until it is cancelled.
struct StopSignals {
  private let sources: [any DispatchSourceSignal]

  init(_ act: @escaping @Sendable () -> Void) {
    sources = [SIGTERM, SIGINT].map { number in
      signal(number, SIG_IGN)  // Else the default action ends the process before the source is told.
      let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
      source.setEventHandler(handler: act)
      source.resume()
      return source
    }
  }

  func cancel() {
    for source in sources { source.cancel() }
  }
}
