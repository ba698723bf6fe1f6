import Kernel

/// A user and the live parties above. Suspended parties are in it; deleted ones are absent.
public struct Lineage: Hashable, Sendable {
  public let subject: User
  /// Above a shopper.
  public let mediator: User?
  /// Above a shopper or a mediator.
  public let agency: User?

  public init(subject: User, mediator: User? = nil, agency: User? = nil) {
    self.subject = subject
    self.mediator = mediator
    self.agency = agency
  }

  /// Sorts the chain of parents, nearest first, by what each of them is. A parent of the wrong kind is not upstream.
  public init(subject: User, parents: [User]) {
    let first = parents.first
    if let first, first.roles.contains(.mediator), subject.roles.contains(.shopper) {
      let second = parents.dropFirst().first
      self.init(subject: subject, mediator: first, agency: second.flatMap { $0.roles.contains(.agency) ? $0 : nil })
    } else if let first, first.roles.contains(.agency), subject.roles.contains(.mediator) {
      self.init(subject: subject, agency: first)
    } else {
      self.init(subject: subject)
    }
  }

  /// How many parents a chain can have: mediator, agency.
  public static let parentsMax = 2

  /// False when a party above is missing or not active (DOMAIN 1.2).
  ///
  /// A shopper needs mediator and agency, a mediator needs its agency. A shopper who belongs to nobody yet may sign in.
  public var upstreamActive: Bool {
    if subject.roles.contains(.mediator), mediator == nil {
      return agency?.status == .active
    }
    if subject.roles.contains(.shopper), subject.parentCode != nil {
      return mediator?.status == .active && agency?.status == .active
    }
    return true
  }
}
