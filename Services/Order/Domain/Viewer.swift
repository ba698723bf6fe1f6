public import Kernel

/// Whoever looks at an order or acts on it.
public struct Viewer: Hashable, Sendable {
  public let userID: UserID
  public let mobile: String
  public let roles: [Role]
  /// The own code of an agency or a mediator.
  public let code: PartyCode?

  public init(userID: UserID, mobile: String, roles: [Role], code: PartyCode?) {
    self.userID = userID
    self.mobile = mobile
    self.roles = roles
    self.code = code
  }

  /// How a person stands to an order. One person can stand to it in several ways.
  public enum Relation: Hashable, Sendable, CaseIterable {
    case buyer, mediator, agency, owner, staff
  }

  public func relations(to order: Order) -> Set<Relation> {
    var found: Set<Relation> = []
    if roles.contains(.shopper), order.userID == userID { found.insert(.buyer) }
    if roles.contains(.mediator), code == order.mediatorCode { found.insert(.mediator) }
    if roles.contains(.agency), code == order.agencyCode { found.insert(.agency) }
    if roles.contains(.brand), order.brandUserID == userID { found.insert(.owner) }
    if roles.arePrivileged { found.insert(.staff) }
    return found
  }

  /// Fails with `FORBIDDEN` unless the viewer stands to the order in one of `allowed` ways.
  public func require(_ allowed: Set<Relation>, to order: Order) throws(Failure) {
    guard !relations(to: order).isDisjoint(with: allowed) else {
      throw Failure(.forbidden, "this order belongs to others")
    }
  }
}

/// What somebody may see of an order (DOMAIN 5.8).
public struct Visibility: Hashable, Sendable {
  /// Name, mobile and id of the shopper, and the reviewer's name.
  public let identity: Bool
  /// Versions, times and digests of proofs, and who verified what; without it only that they exist.
  public let proofDetails: Bool
  public let payout: Bool
  public let margin: Bool

  public static let everything = Visibility(identity: true, proofDetails: true, payout: true, margin: true)
  public static let buyer = Visibility(identity: true, proofDetails: true, payout: false, margin: false)
  public static let owner = Visibility(identity: false, proofDetails: false, payout: true, margin: false)

  public init(identity: Bool, proofDetails: Bool, payout: Bool, margin: Bool) {
    self.identity = identity
    self.proofDetails = proofDetails
    self.payout = payout
    self.margin = margin
  }

  /// The widest of what each relation allows. Fails with `FORBIDDEN` when there is none.
  public init(of viewer: Viewer, on order: Order) throws(Failure) {
    let relations = viewer.relations(to: order)
    guard !relations.isEmpty else { throw Failure(.forbidden, "this order belongs to others") }
    let grants = relations.map { relation -> Visibility in
      switch relation {
      case .staff, .mediator, .agency: .everything
      case .buyer: .buyer
      case .owner: .owner
      }
    }
    self.init(
      identity: grants.contains(where: \.identity), proofDetails: grants.contains(where: \.proofDetails),
      payout: grants.contains(where: \.payout), margin: grants.contains(where: \.margin))
  }
}
