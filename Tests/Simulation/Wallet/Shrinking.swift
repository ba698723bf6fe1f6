/// Makes a failing scenario small enough to be understood.
enum Shrinking {
  /// Scenarios tried at most.
  private static let attemptsMax = 600

  /// The fewest and plainest steps found that still fail: pieces are left out, large ones first (delta debugging), then
  /// what is special about the rest is.
  static func shrink(
    _ steps: [SimulationStep], fails: ([SimulationStep]) throws -> Bool
  ) throws -> [SimulationStep] {
    var best = steps
    var attempts = 0
    func stillFails(_ candidate: [SimulationStep]) throws -> Bool {
      attempts += 1
      return try fails(candidate)
    }

    var pieces = 2
    while best.count > 1, attempts < attemptsMax {
      let length = (best.count + pieces - 1) / pieces
      var start = 0
      var didShrink = false
      while start < best.count, attempts < attemptsMax {
        let candidate = Array(best[..<start]) + Array(best[min(start + length, best.count)...])
        if try stillFails(candidate) {
          best = candidate
          didShrink = true
        } else {
          start += length
        }
      }
      if !didShrink {
        if length == 1 { break }
        pieces = min(pieces * 2, best.count)
      } else {
        pieces = max(2, min(pieces, best.count))
      }
    }

    for index in best.indices {
      for plainer in best[index].plainer where attempts < attemptsMax {
        var candidate = best
        candidate[index] = plainer(candidate[index])
        if candidate[index] != best[index], try stillFails(candidate) { best = candidate }
      }
    }
    return best
  }
}

extension SimulationStep {
  /// One thing that is special about the step left out at a time.
  fileprivate var plainer: [(SimulationStep) -> SimulationStep] {
    [
      { $0.with(\.delivery, .once) }, { $0.with(\.incidents, []) },
      { $0.with(\.isTogether, false) },
      { $0.with(\.process, 0) },
    ]
  }

  private func with<Value>(_ path: WritableKeyPath<SimulationStep, Value>, _ value: Value) -> SimulationStep {
    var changed = self
    changed[keyPath: path] = value
    return changed
  }
}
