/// Drives the real queue and the real commands through thousands of operations with everything that can go wrong, all
/// decided by a seed, and checks all invariants after every one of them.
public enum WalletSimulation {
  /// Nil when nothing is wrong. A failure is cut down to the steps that it needs.
  public static func check(seed: UInt64, operations: Int, bug: PlantedBug? = nil) throws -> SimulationFailure? {
    let steps = Scenario.steps(seed: seed, count: operations)
    guard let found = try run(steps, bug) else { return nil }
    let shrunk = try Shrinking.shrink(Array(steps.prefix(found.steps))) { candidate in
      try run(candidate, bug) != nil
    }
    let last = try run(shrunk, bug) ?? found
    return SimulationFailure(
      seed: seed, operations: operations, steps: shrunk, problems: last.problems, trace: last.trace)
  }

  /// The failures of all these seeds, so many seeds at a time. `progress` is told how many are done.
  public static func check(
    seeds: Range<UInt64>, operations: Int, lanes: Int, progress: (Int) -> Void = { _ in }
  ) async throws -> [SimulationFailure] {
    try await withThrowingTaskGroup(of: SimulationFailure?.self) { group in
      var rest = seeds[...]
      func start() {
        guard let seed = rest.popFirst() else { return }
        group.addTask { try check(seed: seed, operations: operations) }
      }
      for _ in 0..<lanes { start() }
      var failures: [SimulationFailure] = []
      var done = 0
      while let result = try await group.next() {
        done += 1
        progress(done)
        if let result { failures.append(result) }
        start()
      }
      return failures.sorted { $0.seed < $1.seed }
    }
  }

  /// What the callers of a scenario were told, one line each; a failure's problems at the end.
  public static func trace(seed: UInt64, operations: Int) throws -> [String] {
    var world = SimulatedWorld(nil)
    let problems = try play(Scenario.steps(seed: seed, count: operations), in: &world).problems
    return world.trace + problems
  }

  struct Finding {
    let problems: [String]
    let trace: [String]
    /// How many steps it took.
    let steps: Int
  }

  static func run(_ steps: [SimulationStep], _ bug: PlantedBug?) throws -> Finding? {
    var world = SimulatedWorld(bug)
    let (problems, count) = try play(steps, in: &world)
    return problems.isEmpty ? nil : Finding(problems: problems, trace: world.trace, steps: count)
  }

  private static func play(
    _ steps: [SimulationStep], in world: inout SimulatedWorld
  ) throws -> (problems: [String], steps: Int) {
    var next = 0
    while next < steps.count {
      var end = next + 1
      while end < steps.count, end - next < burstMax, steps[end].isTogether { end += 1 }
      let problems = try world.take(Array(steps[next..<end]), first: next + 1)
      if !problems.isEmpty {
        _ = try world.calmDown()
        return (problems, end)
      }
      next = end
    }
    return (try world.calmDown(), steps.count)
  }

  private static let burstMax = 6
}

/// A scenario that breaks something.
public struct SimulationFailure: Error, CustomStringConvertible {
  public let seed: UInt64
  public let operations: Int
  /// The fewest steps that were found to fail.
  public let steps: [SimulationStep]
  public let problems: [String]
  let trace: [String]

  public var description: String {
    let shown = steps.enumerated().map { "  \($0.offset + 1). \($0.element)" }
    return """
      seed \(seed) fails (wallet-simulation --first-seed \(seed) --seeds 1 --operations \(operations)):
      \(problems.map { "  " + $0 }.joined(separator: "\n"))
      \(operations) steps shrunk to \(steps.count):
      \(shown.joined(separator: "\n"))
      what the callers heard:
      \(trace.map { "  " + $0 }.joined(separator: "\n"))
      """
  }
}
