import Kernel
import WalletDomain
import WalletMemory

/// What somebody wants. Who asks, with which numbers, is decided when the step is taken, from the answers so far: a
/// step means something whichever of its predecessors were left out.
enum Wish: Hashable, Sendable {
  case ensureWallet(person: Int)
  case closeWallet(person: Int)
  case deposit(person: Int, ref: Int, paise: Int64)
  case payAgency(ref: Int, paise: Int64, isManual: Bool)
  /// The order service goes on with this order: what it does follows from what it knows of it.
  case order(Int, OrderWish)
  case requestPayout(person: Int, request: Int)
  /// Of one of the payouts that were requested, if any was.
  case changePayout(Int, PayoutChange)
  case recordPayout(person: Int, ref: Int, isByAgency: Bool)
  case deleteRecord(ref: Int)
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
  /// The holder of the lease has not been heard of for too long.
  case leaseEnds
  /// A clean end and a new start.
  case restart(process: Int)
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
    var text = "\(wish) at \(Cast.replica(process))"
    if isTogether { text += ", together with the one before" }
    if delivery != .once { text += ", \(delivery)" }
    if !incidents.isEmpty {
      text += ", while \(incidents.map(\.description).joined(separator: " and "))"
    }
    return text
  }
}

extension Wish: CustomStringConvertible {
  var description: String {
    switch self {
    case .ensureWallet(let person): "ensure wallet of P\(person)"
    case .closeWallet(let person): "close wallet of P\(person)"
    case .deposit(let person, let ref, let paise): "deposit \(paise) to P\(person), r\(ref)"
    case .payAgency(let ref, let paise, let isManual):
      "pay agency \(paise), p\(ref)\(isManual ? ", by hand" : "")"
    case .order(let order, let wish): "\(wish.rawValue) order \(order)"
    case .requestPayout(let person, let request): "request payout of P\(person), q\(request)"
    case .changePayout(let number, let change): "\(change) of payout \(number)"
    case .recordPayout(let person, let ref, let isByAgency):
      "record payout to P\(person), m\(ref), by \(isByAgency ? "the agency" : "staff")"
    case .deleteRecord(let ref): "delete record m\(ref)"
    }
  }
}

extension Incident: CustomStringConvertible {
  var description: String {
    switch self {
    case .crash(let process, let afterWriting):
      "\(Cast.replica(process)) dies \(afterWriting ? "after" : "before") its next commit"
    case .stop(let process): "\(Cast.replica(process)) stands still"
    case .proceed(let process): "\(Cast.replica(process)) goes on"
    case .restart(let process): "\(Cast.replica(process)) is restarted"
    case .leaseEnds: "the lease ends"
    case .commitFaults(let faults): "commits meet \(faults.map { $0.map { "\($0)" } ?? "nothing" })"
    case .election(let calls): "the database is away for \(calls) calls"
    case .clock(let milliseconds): "the clock moves by \(milliseconds) ms"
    }
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
      wish: wish, process: 0, isTogether: false, delivery: .once, incidents: [],
      schedule: random.next())
  }

  private static func step(_ random: inout SeededGenerator) -> SimulationStep {
    SimulationStep(
      wish: wish(&random), process: random.happens(oncePer: 4) ? 1 : 0,
      isTogether: !random.happens(oncePer: 3),
      delivery: delivery(&random), incidents: incidents(&random), schedule: random.next())
  }

  private static func wish(_ random: inout SeededGenerator) -> Wish {
    let person = Int.random(in: Cast.people.indices, using: &random)
    switch Int.random(in: 0..<40, using: &random) {
    case 0: return .ensureWallet(person: person)
    case 1: return .closeWallet(person: person)
    case 2...8:
      return .deposit(
        person: person % 3, ref: .random(in: 1...99, using: &random),
        paise: .random(in: 1...12_000, using: &random))
    case 9, 10:
      return .payAgency(
        ref: .random(in: 1...40, using: &random), paise: .random(in: 1...9_000, using: &random),
        isManual: random.happens(oncePer: 4))
    case 11...17: return payoutWish(person, &random)
    default:
      let wishes: [OrderWish] = [
        .lock, .lock, .lock, .release, .settle, .settle, .settle, .settle, .unsettle, .unsettle,
        .misuse,
      ]
      return .order(
        .random(in: Cast.orders, using: &random), wishes.randomElement(using: &random) ?? .settle)
    }
  }

  private static func payoutWish(_ person: Int, _ random: inout SeededGenerator) -> Wish {
    let request = Int.random(in: 1...6, using: &random)
    let ref = Int.random(in: 1...8, using: &random)
    let number = Int.random(in: 0..<24, using: &random)
    switch Int.random(in: 0..<12, using: &random) {
    case 0...3: return .requestPayout(person: person, request: request)
    case 4, 5:
      let isNamed = random.happens(oncePer: 4)
      return .changePayout(number, .start(ref: isNamed ? "b\(ref)" : nil))
    case 6, 7: return .changePayout(number, .complete(ref: "b\(ref)"))
    case 8: return .changePayout(number, .fail)
    case 9: return .changePayout(number, .cancel)
    case 10: return .recordPayout(person: person, ref: ref, isByAgency: Bool.random(using: &random))
    default:
      return Bool.random(using: &random)
        ? .deleteRecord(ref: ref) : .changePayout(number, .delete)
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
        random.happens(oncePer: 4)
          ? nil : InMemoryLedger.Fault.allCases.randomElement(using: &random)
      }
      return [.commitFaults(faults)]
    case 10: return [.election(calls: .random(in: 1...3, using: &random))]
    case 15, 16: return [.leaseEnds]
    case 17: return [.restart(process: process)]
    case 11...14: return [.clock(milliseconds: .random(in: -5_000...20_000, using: &random))]
    default: return [.clock(milliseconds: .random(in: 0...200, using: &random))]
    }
  }
}
