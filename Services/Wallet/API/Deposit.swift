import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func deposit(
    _ request: WalletV1.DepositRequest, _ context: CallContext
  ) async throws -> WalletV1.DepositResponse {
    var deposit = try Deposit(
      owner: try UserID(request.ownerUserId, path: "ownerUserId"), amount: Money(paise: request.amountPaise),
      ref: request.ref, actor: context.actor, limits: limits)
    let record = try context.record(of: request) { (answer: Deposit.Answer) in WalletV1.DepositResponse(answer) }
    // A repeat gets its answer whatever has become of the owner since.
    if let earlier = try await queue.replay(of: deposit, for: record) { return try WalletV1.DepositResponse(earlier) }

    guard let party = try await directory.party(deposit.owner) else {
      throw Failure(.userNotFound, "there is no user \(deposit.owner)")
    }
    deposit.opening = try party.depositKind()
    return try WalletV1.DepositResponse(try await queue.perform(deposit, for: record))
  }
}

extension WalletV1.DepositResponse: ReplayableResponse {
  fileprivate init(_ answer: Deposit.Answer, replayed: Bool = false) {
    self.init(
      wallet: answer.wallet.map { WalletV1.Wallet($0) }, transaction: WalletV1.Transaction(answer.row),
      replayed: replayed)
  }

  fileprivate init(_ outcome: Outcome<Deposit.Answer>) throws {
    self = try Self.answering(outcome) { Self($0, replayed: $1) }
  }
}
