import Kernel
import WalletDomain
import WalletMemory

/// What somebody wants. Who asks, with which numbers, is decided when the step is taken, from the answers so far: a
/// step means something whichever of its predecessors were left out.
enum Wish: Hashable, Sendable {
  case ensureWallet(person: Int)
  case deposit(person: Int, ref: Int, paise: Int64)
  /// The order service goes on with this order: what it does follows from what it knows of it.
  case lock(order: Int)
  case release(order: Int)
  case settle(order: Int)
  /// A posted key is used again for something else.
  case misuse(order: Int)
}

/// What the network does to the request.
enum Delivery: Hashable, Sendable {
  case once
  case twice
  /// It arrives so many bursts later; until then the caller has heard nothing.
  case late(bursts: Int)
  case lost
  case answerLost
}

/// What happens to processes and to the database while the step is taken.
enum Incident: Hashable, Sendable {
  /// The process dies at its next commit.
  case crash(process: Int, afterWriting: Bool)
  /// The process stands still, whatever it was doing, until it is continued.
  case stop(process: Int)
  case proceed(process: Int)
  /// The next commits go wrong like this; nil stands for one that goes well.
  case commitFaults([InMemoryLedger.Fault?])
  /// The database answers none of the next calls.
  case election(calls: Int)
  /// The wall clock moves; backwards too.
  case clock(milliseconds: Int)
}

/// One operation of a scenario, as plain data: a scenario can be cut down and run again.
public struct SimulationStep: Hashable, Sendable {
  let wish: Wish
  /// Which replica the request goes to.
  var process: Int
  /// It travels together with the step before.
  var isTogether: Bool
  var delivery: Delivery
  var incidents: [Incident]
  /// Decides who is next whenever several processes could go on.
  let schedule: UInt64
}

extension SimulationStep: CustomStringConvertible {
  public var description: String {
    var text = "\(wish) at \(process == 0 ? "A" : "B")"
    if isTogether { text += ", together with the one before" }
    if delivery != .once { text += ", \(delivery)" }
    if !incidents.isEmpty { text += ", while \(incidents.map { "\($0)" }.joined(separator: " and "))" }
    return text
  }
}

/// The steps of one seed.
enum Scenario {
  static func steps(seed: UInt64, count: Int) -> [SimulationStep] {
    var random = SeededGenerator(seed: seed)
    return (0..<count).map { number in
      // All but the last have a wallet from the beginning.
      number < Cast.people.count - 1 ? plain(.ensureWallet(person: number), &random) : step(&random)
    }
  }

  private static func plain(_ wish: Wish, _ random: inout SeededGenerator) -> SimulationStep {
    SimulationStep(
      wish: wish, process: 0, isTogether: false, delivery: .once, incidents: [], schedule: random.next())
  }

  private static func step(_ random: inout SeededGenerator) -> SimulationStep {
    SimulationStep(
      wish: wish(&random), process: random.happens(oncePer: 4) ? 1 : 0, isTogether: !random.happens(oncePer: 3),
      delivery: delivery(&random), incidents: incidents(&random), schedule: random.next())
  }

  private static func wish(_ random: inout SeededGenerator) -> Wish {
    let order = Int.random(in: Cast.orders, using: &random)
    let person = Int.random(in: Cast.people.indices, using: &random)
    switch Int.random(in: 0..<20, using: &random) {
    case 0: return .ensureWallet(person: person)
    case 1...5:
      return .deposit(
        person: person % 3, ref: .random(in: 1...99, using: &random), paise: .random(in: 1...12_000, using: &random))
    case 6...9: return .lock(order: order)
    case 10, 11: return .release(order: order)
    case 12: return .misuse(order: order)
    default: return .settle(order: order)
    }
  }

  private static func delivery(_ random: inout SeededGenerator) -> Delivery {
    switch Int.random(in: 0..<24, using: &random) {
    case 0: .twice
    case 1, 2: .late(bursts: .random(in: 1...6, using: &random))
    case 3: .lost
    case 4: .answerLost
    default: .once
    }
  }

  private static func incidents(_ random: inout SeededGenerator) -> [Incident] {
    let process = Int.random(in: 0...1, using: &random)
    switch Int.random(in: 0..<64, using: &random) {
    case 0, 1: return [.crash(process: process, afterWriting: Bool.random(using: &random))]
    case 2: return [.stop(process: process)]
    case 3, 4, 5: return [.proceed(process: process)]
    case 6...9:
      let faults = (0..<Int.random(in: 1...4, using: &random)).map { _ in
        random.happens(oncePer: 4) ? nil : InMemoryLedger.Fault.allCases.randomElement(using: &random)
      }
      return [.commitFaults(faults)]
    case 10: return [.election(calls: .random(in: 1...3, using: &random))]
    case 11...14: return [.clock(milliseconds: .random(in: -5_000...20_000, using: &random))]
    default: return [.clock(milliseconds: .random(in: 0...200, using: &random))]
    }
  }
}
