import Testing
import WalletSimulation

// Goal: no sequence of commands, repeats, crashes and faults ever breaks the books or gives a false answer.
// Method: see `WalletSimulation`. The long tier runs the same on a release build, with more seeds.
@Suite("Wallet simulation")
struct WalletSimulationTests {
  @Test("two hundred seeds of two hundred operations leave the books right after every one")
  func seeds() async throws {
    let failures = try await WalletSimulation.check(seeds: 1..<201, operations: 200, lanes: 2)
    for failure in failures { Issue.record("\(failure)") }
  }

  @Test("one seed is one story, however the machine schedules its threads")
  func deterministic() throws {
    for seed in 1...3 as ClosedRange<UInt64> {
      let first = try WalletSimulation.trace(seed: seed, operations: 200)
      let second = try WalletSimulation.trace(seed: seed, operations: 200)
      #expect(first.count > 100 && first == second)
    }
  }

  // Goal: what cannot fail proves nothing. Method: each bug is planted, found, and shrunk to a few steps that still
  // show it.
  @Test("a planted bug is found, and its story is short", arguments: PlantedBug.allCases)
  func plantedBugs(bug: PlantedBug) throws {
    var found: SimulationFailure?
    for seed in 1...50 as ClosedRange<UInt64> where found == nil {
      found = try WalletSimulation.check(seed: seed, operations: 200, bug: bug)
    }
    let failure = try #require(found)
    #expect(failure.steps.count <= bug.stepsMax, "\(failure)")
    #expect(!failure.problems.isEmpty)
  }
}

extension PlantedBug {
  /// How many steps its story may have: what it takes, and some that shrinking happens to leave.
  fileprivate var stepsMax: Int {
    switch self {
    // A refusal for good, then money, then the delayed first attempt.
    case .forgetsRefusals: 6
    // As many commits as it takes until one is lost.
    case .losesCommits: 10
    case .trustsMemory: 10
    }
  }
}
