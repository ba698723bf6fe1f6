import Kernel
import WalletDomain

/// Who takes part: few people and few orders, so that commands meet each other often.
enum Cast {
  struct Person: Sendable {
    let id: UserID
    let kind: OwnerKind
  }

  /// The mediator among the owners has an inventory campaign, and mediates its own orders as well.
  static let people: [Person] = [
    Person(id: sample("a", 1), kind: .brand), Person(id: sample("a", 2), kind: .agency),
    Person(id: sample("a", 3), kind: .mediator), Person(id: sample("a", 4), kind: .mediator),
    Person(id: sample("a", 5), kind: .shopper), Person(id: sample("a", 6), kind: .shopper),
  ]
  private static let owners = 0...2
  private static let mediators = 2...3
  private static let buyers = 4...5

  /// Low ceilings, so that they are met.
  static let limits = WalletLimits(
    balanceMax: Money(paise: 40_000), businessBalanceMax: Money(paise: 60_000), openPayoutsMax: 2)

  static func replica(_ index: Int) -> String { index == 0 ? "A" : "B" }

  static let orders = 0...9

  static var names: PayAgency.Names? {
    PartyCode("AGY_TEST").map { PayAgency.Names(brand: "Brand", agency: "Agency", agencyCode: $0) }
  }

  static func profile(of person: Person) -> PayoutProfile {
    PayoutProfile(kind: person.kind, agencyCode: nil, destination: .upi("somebody@upi"))
  }

  static func order(_ number: Int) -> OrderID { sample("b", number) }

  static func number(of order: OrderID) -> Int {
    orders.first { Self.order($0) == order } ?? 0
  }

  /// What an order's terms are for ever; `extra` makes them wrong.
  static func terms(of order: Int, extra: Int64 = 0) -> OrderTerms {
    var fixed = SeededGenerator(seed: UInt64(order) + 1_000)
    let terms = try? OrderTerms(
      owner: people[Int.random(in: owners, using: &fixed)].id,
      buyer: people[Int.random(in: buyers, using: &fixed)].id,
      mediator: people[Int.random(in: mediators, using: &fixed)].id, campaign: sample("c", 1),
      commission: Money(paise: .random(in: 0...9_000, using: &fixed) + extra),
      margin: Money(paise: .random(in: 0...9_000, using: &fixed)),
      fee: Money(paise: .random(in: 1...900, using: &fixed)))
    guard let terms else { preconditionFailure("the terms of order \(order) are wrong") }
    return terms
  }

  static func sample<Subject>(_ letter: Character, _ number: Int) -> ID<Subject> {
    let digits = String(number)
    return ID(known: String(repeating: letter, count: 24 - digits.count) + digits)
  }

  /// `a…3` as `P3`: a trace is read by people.
  static func name(_ owner: UserID) -> String {
    people.firstIndex { $0.id == owner }.map { "P\($0)" }
      ?? (owner == .platform ? "platform" : owner.rawValue)
  }
}
