import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func startPayout(
    _ request: WalletV1.StartPayoutRequest, _ context: CallContext
  ) async throws -> WalletV1.StartPayoutResponse {
    let command = StartPayout(
      id: try PayoutID(request.payoutId, path: "payoutId"), provider: request.provider,
      providerRef: request.providerRef.flatMap { $0.isEmpty ? nil : $0 }, actor: context.actor)
    let record = try context.record(of: request) { (payout: Payout) in
      WalletV1.StartPayoutResponse(payout: WalletV1.Payout(payout))
    }
    if let earlier = try await queue.replay(of: command, for: record) { return try answer(earlier) }

    // Nobody is paid while suspended. Whoever is deleted meanwhile is not paid either.
    guard let beneficiary = try await directory.beneficiary(try await payout(command.id).beneficiary) else {
      throw Failure(.frozenSuspension, "the beneficiary does not exist any more")
    }
    try beneficiary.requireActive()
    return try answer(try await queue.perform(command, for: record))
  }

  private func answer(_ outcome: Outcome<Payout>) throws -> WalletV1.StartPayoutResponse {
    try .answering(outcome) { .init(payout: WalletV1.Payout($0), replayed: $1) }
  }
}

extension WalletV1.StartPayoutResponse: ReplayableResponse {}
