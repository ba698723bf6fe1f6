public import Kernel

/// One person of an order as identity knows them now.
public struct Party: Hashable, Sendable {
  public let userID: UserID
  public let name: String
  public let mobile: String
  public let status: UserStatus
  /// The own code of an agency, a mediator or a brand.
  public let code: PartyCode?
  /// Digests of the payout destinations; equal digests mean the same account (DOMAIN 9.3).
  public let payoutFingerprints: Set<String>

  public init(
    userID: UserID, name: String, mobile: String, status: UserStatus, code: PartyCode? = nil,
    payoutFingerprints: Set<String> = []
  ) {
    self.userID = userID
    self.name = name
    self.mobile = mobile
    self.status = status
    self.code = code
    self.payoutFingerprints = payoutFingerprints
  }

  public var isActive: Bool { status == .active }
}

/// A person and the parties above.
public struct Lineage: Hashable, Sendable {
  public let subject: Party
  public let mediator: Party?
  public let agency: Party?

  public init(subject: Party, mediator: Party?, agency: Party?) {
    self.subject = subject
    self.mediator = mediator
    self.agency = agency
  }
}

/// Everybody whose status decides about an order; nil where identity knows nobody (any more).
public struct OrderParties: Hashable, Sendable {
  public let buyer: Party?
  public let mediator: Party?
  public let agency: Party?
  public let owner: Party?
  /// Whoever acts; nil only if identity does not know them.
  public let acting: Party?

  public init(buyer: Party?, mediator: Party?, agency: Party?, owner: Party?, acting: Party?) {
    self.buyer = buyer
    self.mediator = mediator
    self.agency = agency
    self.owner = owner
    self.acting = acting
  }
}

extension PartyDirectory {
  /// The parties of `order`, fresh from identity, with `viewer` as the acting person.
  public func parties(of order: Order, actedOnBy viewer: Viewer) async throws -> OrderParties {
    async let buyerLineage = lineage(of: order.userID)
    async let ownerLineage = lineage(of: order.brandUserID)
    async let actingLineage = lineage(of: viewer.userID)
    let buyer = try await buyerLineage
    var mediator = buyer?.mediator
    var agency = buyer?.agency
    // The order's own codes decide, even if the shopper or the mediator has moved since.
    if mediator?.code != order.mediatorCode {
      let found = try await lineage(of: order.mediatorCode)
      mediator = found?.subject
      agency = found?.agency
    }
    if agency?.code != order.agencyCode { agency = try await lineage(of: order.agencyCode)?.subject }
    return OrderParties(
      buyer: buyer?.subject, mediator: mediator, agency: agency, owner: try await ownerLineage?.subject,
      acting: try await actingLineage?.subject)
  }
}
