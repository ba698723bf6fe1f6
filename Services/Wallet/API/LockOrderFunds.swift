import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func lockOrderFunds(
    _ request: WalletV1.LockOrderFundsRequest, _ context: CallContext
  ) async throws -> WalletV1.LockOrderFundsResponse {
    let terms = try OrderTerms(
      owner: try UserID(request.brandUserId, path: "brandUserId"),
      buyer: try UserID(request.buyerUserId, path: "buyerUserId"),
      mediator: try UserID(request.mediatorUserId, path: "mediatorUserId"),
      campaign: try CampaignID(request.campaignId, path: "campaignId"),
      commission: Money(paise: request.commissionPaise), margin: Money(paise: request.marginPaise),
      fee: Money(paise: request.platformFeePaise))
    let number = HoldNumber(order: try OrderID(request.orderId, path: "orderId"), seq: request.holdSeq)
    let (hold, replayed) = try await perform(LockOrderFunds(number: number, terms: terms, actor: context.actor))
    return WalletV1.LockOrderFundsResponse(hold: WalletV1.Hold(hold), replayed: replayed)
  }
}
