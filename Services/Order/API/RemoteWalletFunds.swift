import Access
public import Kernel
import Messages
public import OrderDomain
import RPC
public import Stubs

/// Wallet over its internal RPCs, each made for the person who caused it.
public struct RemoteWalletFunds: WalletFunds {
  private let wallet: WalletInternalServiceClient

  public init(_ wallet: WalletInternalServiceClient) { self.wallet = wallet }

  public func lock(_ lock: FundsLock, as actor: Actor) async throws {
    let funds = lock.funds
    let request = WalletV1.LockOrderFundsRequest(
      orderId: funds.orderID.rawValue, holdSeq: lock.holdSeq, brandUserId: funds.ownerID.rawValue,
      buyerUserId: funds.buyerID.rawValue, mediatorUserId: funds.mediatorID.rawValue,
      campaignId: funds.campaignID.rawValue, commissionPaise: funds.economics.commission.paise,
      marginPaise: funds.economics.margin.paise, platformFeePaise: funds.economics.platformFee.paise)
    try await ActingFor.$current.withValue(actor) {
      try await opening(funds) { _ = try await wallet.lockOrderFunds(request) }
    }
  }

  public func release(order: OrderID, holdSeq: Int32, reason: String, as actor: Actor) async throws {
    _ = try await ActingFor.$current.withValue(actor) {
      try await wallet.releaseOrderFunds(
        WalletV1.ReleaseOrderFundsRequest(orderId: order.rawValue, holdSeq: holdSeq, reason: reason))
    }
  }

  /// No retries below: the next attempt after silence must say so (`resolve`), which only the saga can.
  public func settle(_ posting: SettlementPosting, resolve: Bool, as actor: Actor) async throws {
    let funds = posting.funds
    let request = WalletV1.SettleOrderFundsRequest(
      orderId: funds.orderID.rawValue, settlementSeq: posting.seq, holdSeq: posting.holdSeq,
      brandUserId: funds.ownerID.rawValue, buyerUserId: funds.buyerID.rawValue,
      mediatorUserId: funds.mediatorID.rawValue, campaignId: funds.campaignID.rawValue,
      commissionPaise: funds.economics.commission.paise, marginPaise: funds.economics.margin.paise,
      platformFeePaise: funds.economics.platformFee.paise, resolve: resolve, voidedTries: posting.voidedTries)
    try await ActingFor.$current.withValue(actor) {
      if resolve { return _ = try await wallet.settleOrderFunds(request, options: CallOptions(retry: .none)) }
      try await opening(funds) { _ = try await wallet.settleOrderFunds(request, options: CallOptions(retry: .none)) }
    }
  }

  /// Tries once more after opening the wallets, if one was missing: identity opens them soon after registration, and
  /// an order may be sooner.
  private func opening(_ funds: OrderFunds, _ call: () async throws -> Void) async throws {
    do {
      try await call()
    } catch let failure as Failure where failure.code == .walletNotFound {
      try await ensure(funds.ownerID, funds.ownerKind)
      try await ensure(funds.buyerID, .shopper)
      try await ensure(funds.mediatorID, .mediator)
      try await call()
    }
  }

  private func ensure(_ user: UserID, _ kind: OwnerKind) async throws {
    _ = try await wallet.ensureWallet(
      WalletV1.EnsureWalletRequest(ownerUserId: user.rawValue, ownerKind: .init(domain: kind)))
  }
}
