import Kernel

/// An audit entry about something other than a leg on spendable money (DOMAIN 10).
public struct AuditRecord: Hashable, Sendable {
  public enum Action: String, CaseIterable, Sendable {
    case agencyPaymentRecorded = "BRAND_AGENCY_PAYOUT_RECORDED"
    case payoutRequested = "PAYOUT_REQUESTED"
    case payoutStarted = "PAYOUT_STARTED"
    case payoutProcessed = "PAYOUT_PROCESSED"
    case payoutFailed = "PAYOUT_FAILED"
    case payoutCanceled = "PAYOUT_CANCELED"
    case payoutDeleted = "PAYOUT_DELETED"
    case walletDeleted = "WALLET_DELETED"
    case dataExported = "DATA_EXPORTED"
  }

  public enum Entity: Hashable, Sendable {
    case user(UserID)
    case payout(PayoutID)
    case wallet(WalletID)
    /// An export is named by the file that it made.
    case export(String)
  }

  /// One fact of the entry's metadata.
  public enum Fact: Hashable, Sendable {
    case text(String)
    case amount(Money)
    case count(Int64)
    case flag(Bool)
    case texts([String])
  }

  public let action: Action
  public let entity: Entity
  public let facts: [String: Fact]
  public let actor: Actor
  public let at: Timestamp

  public init(_ action: Action, _ entity: Entity, facts: [String: Fact], actor: Actor, at: Timestamp) {
    self.action = action
    self.entity = entity
    self.facts = facts
    self.actor = actor
    self.at = at
  }
}

/// Something that open portals may want to fetch again (DOMAIN 11.2). Staff hear of everything; others are named here.
public struct LedgerEvent: Hashable, Sendable {
  public enum Topic: String, CaseIterable, Sendable {
    case walletsChanged = "wallets.changed"
    case payoutsChanged = "payouts.changed"
    case notificationsChanged = "notifications.changed"
  }

  public let topic: Topic
  public let users: [UserID]
  public let agencyCodes: [PartyCode]
  /// Ids and states; never anything personal.
  public let payload: [String: String]

  public init(_ topic: Topic, users: [UserID], agencyCodes: [PartyCode] = [], payload: [String: String] = [:]) {
    self.topic = topic
    self.users = users
    self.agencyCodes = agencyCodes
    self.payload = payload
  }
}
