import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func recordAgencyPayout(
    _ request: WalletV1.RecordAgencyPayoutRequest, _ context: CallContext
  ) async throws -> WalletV1.RecordAgencyPayoutResponse {
    let caller = try context.principal()
    var command = try RecordPayout(
      payer: .agency(caller.userID), beneficiary: try UserID(request.mediatorId, path: "mediatorId"),
      amount: Money(paise: request.amountPaise), ref: request.ref, actor: context.actor)
    let record = try context.record(of: request) { (payout: Payout) in
      WalletV1.RecordAgencyPayoutResponse(payout: WalletV1.Payout(payout))
    }
    if let earlier = try await queue.replay(of: command, for: record) { return try answer(earlier) }

    guard let beneficiary = try await directory.beneficiary(command.beneficiary) else {
      throw Failure(.mediatorNotFound, "there is no mediator \(command.beneficiary)")
    }
    guard beneficiary.party.role == .mediator else {
      throw Failure(.invalidBeneficiary, "agencies pay their mediators")
    }
    guard let code = caller.mediatorCode, beneficiary.agencyCode == code else {
      throw Failure(.forbidden, "this mediator belongs to another agency")
    }
    try beneficiary.requireActive()
    command.profile = try beneficiary.profile()
    return try answer(try await queue.perform(command, for: record))
  }

  private func answer(_ outcome: Outcome<Payout>) throws -> WalletV1.RecordAgencyPayoutResponse {
    try .answering(outcome) { .init(payout: WalletV1.Payout($0), replayed: $1) }
  }
}

extension WalletV1.RecordAgencyPayoutResponse: ReplayableResponse {}
