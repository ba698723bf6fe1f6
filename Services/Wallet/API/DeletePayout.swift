import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func deletePayout(
    _ request: WalletV1.DeletePayoutRequest, _ context: CallContext
  ) async throws -> WalletV1.DeletePayoutResponse {
    let caller = try context.principal()
    let command = DeletePayout(id: try PayoutID(request.payoutId, path: "payoutId"), actor: context.actor)
    let record = try context.record(of: request) { (_: Payout) in WalletV1.DeletePayoutResponse() }
    // A repeat finds no payout any more, and gets its answer all the same.
    if let earlier = try await queue.replay(of: command, for: record) { return try answer(earlier) }

    let payout = try await payout(command.id)
    guard caller.isPrivileged || caller.mediatorCode.map({ payout.agencyCode == $0 }) == true else {
      throw Failure(.forbidden, "this payout belongs to another network")
    }
    return try answer(try await queue.perform(command, for: record))
  }

  private func answer(_ outcome: Outcome<Payout>) throws -> WalletV1.DeletePayoutResponse {
    try .answering(outcome) { .init(replayed: $1) }
  }
}

extension WalletV1.DeletePayoutResponse: ReplayableResponse {}
