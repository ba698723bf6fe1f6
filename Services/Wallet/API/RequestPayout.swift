import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func requestPayout(
    _ request: WalletV1.RequestPayoutRequest, _ context: CallContext
  ) async throws -> WalletV1.RequestPayoutResponse {
    var command = try RequestPayout(
      beneficiary: try context.principal().userID, amount: Money(paise: request.amountPaise),
      requestID: request.requestId, actor: context.actor, limits: limits)
    let record = try context.record(of: request) { (answer: RequestPayout.Answer) in
      WalletV1.RequestPayoutResponse(answer)
    }
    if let earlier = try await queue.replay(of: command, for: record) {
      return try WalletV1.RequestPayoutResponse(earlier)
    }

    guard let beneficiary = try await directory.beneficiary(command.beneficiary) else {
      throw Failure(.userNotFound, "there is no user \(command.beneficiary)")
    }
    try beneficiary.requireKYC()
    command.profile = try beneficiary.profile()
    return try WalletV1.RequestPayoutResponse(try await queue.perform(command, for: record))
  }
}

extension WalletV1.RequestPayoutResponse: ReplayableResponse {
  fileprivate init(_ answer: RequestPayout.Answer, replayed: Bool = false) {
    self.init(
      payout: WalletV1.Payout(answer.payout), wallet: answer.wallet.map { WalletV1.Wallet($0) }, replayed: replayed)
  }

  fileprivate init(_ outcome: Outcome<RequestPayout.Answer>) throws {
    self = try Self.answering(outcome) { Self($0, replayed: $1) }
  }
}
