import Messages
import RPC
import Stubs

/// Transfers through the wallet service: settlements of two legs, without a hold.
struct ServiceTransfers: Sendable {
  private static let campaign = String(repeating: "c", count: 24)

  private let channel: RPCChannel
  private let options: CallOptions

  init(_ channel: RPCChannel, key: String) {
    self.channel = channel
    options = CallOptions(
      metadata: [
        "mobo-service": "order", "mobo-service-key": key, "mobo-actor": "SYSTEM", "mobo-actor-roles": "",
      ], deadline: .seconds(30), attemptDeadline: nil, retry: .none)
  }

  func transfer(_ transfer: Transfer) async throws -> Int {
    let request = WalletV1.SettleOrderFundsRequest(
      orderId: transfer.order.rawValue, settlementSeq: 1, brandUserId: transfer.owner.rawValue,
      buyerUserId: transfer.shopper.rawValue, mediatorUserId: transfer.owner.rawValue, campaignId: Self.campaign,
      commissionPaise: Transfer.amount.paise)
    let message = try request.serialized()
    for attempt in 0... {
      do {
        _ = try await channel.unary(WalletInternalServiceMethods.settleOrderFunds, message, options: options)
        return attempt
      } catch let error as RPCError where error.code == .aborted && attempt < 100 {
        // Other writers were faster: the same request again, as every caller does.
        continue
      }
    }
    return 0
  }
}
