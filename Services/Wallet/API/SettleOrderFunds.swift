import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func settleOrderFunds(
    _ request: WalletV1.SettleOrderFundsRequest, _ context: CallContext
  ) async throws -> WalletV1.SettleOrderFundsResponse {
    let terms = try OrderTerms(
      owner: try UserID(request.brandUserId, path: "brandUserId"),
      buyer: try UserID(request.buyerUserId, path: "buyerUserId"),
      mediator: try UserID(request.mediatorUserId, path: "mediatorUserId"),
      campaign: try CampaignID(request.campaignId, path: "campaignId"),
      commission: Money(paise: request.commissionPaise), margin: Money(paise: request.marginPaise),
      fee: Money(paise: request.platformFeePaise))
    let command = try SettleOrderFunds(
      order: try OrderID(request.orderId, path: "orderId"), seq: request.settlementSeq, holdSeq: request.holdSeq,
      terms: terms, resolve: request.resolve, voidedTries: request.voidedTries, actor: context.actor)
    let (posting, replayed) = try await perform(command)
    return WalletV1.SettleOrderFundsResponse(postingId: posting.text, replayed: replayed)
  }
}
