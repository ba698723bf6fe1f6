import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func recordManualPayout(
    _ request: WalletV1.RecordManualPayoutRequest, _ context: CallContext
  ) async throws -> WalletV1.RecordManualPayoutResponse {
    var command = try RecordPayout(
      payer: .staff, beneficiary: try UserID(request.beneficiaryUserId, path: "beneficiaryUserId"),
      amount: Money(paise: request.amountPaise), ref: request.providerRef, actor: context.actor)
    let record = try context.record(of: request) { (payout: Payout) in
      WalletV1.RecordManualPayoutResponse(payout: WalletV1.Payout(payout))
    }
    if let earlier = try await queue.replay(of: command, for: record) { return try answer(earlier) }

    guard let beneficiary = try await directory.beneficiary(command.beneficiary) else {
      throw Failure(.userNotFound, "there is no user \(command.beneficiary)")
    }
    command.profile = try beneficiary.profile()
    try beneficiary.requireActive()
    return try answer(try await queue.perform(command, for: record))
  }

  private func answer(_ outcome: Outcome<Payout>) throws -> WalletV1.RecordManualPayoutResponse {
    try .answering(outcome) { .init(payout: WalletV1.Payout($0), replayed: $1) }
  }
}

extension WalletV1.RecordManualPayoutResponse: ReplayableResponse {}
