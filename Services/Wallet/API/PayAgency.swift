import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func payAgency(
    _ request: WalletV1.PayAgencyRequest, _ context: CallContext
  ) async throws -> WalletV1.PayAgencyResponse {
    let caller = try context.principal()
    var payment = try PayAgency(
      brand: try caller.brand(asked: request.brandUserId), agency: try UserID(request.agencyId, path: "agencyId"),
      amount: Money(paise: request.amountPaise), ref: request.ref,
      mode: try request.mode.map { try PaymentMode($0, path: "mode") } ?? .wallet, actor: context.actor,
      limits: limits)
    try caller.requireOwn(payment.brand)
    let record = try context.record(of: request) { (answer: PayAgency.Answer) in WalletV1.PayAgencyResponse(answer) }
    if let earlier = try await queue.replay(of: payment, for: record) {
      return try WalletV1.PayAgencyResponse(earlier)
    }

    let link = try await directory.link(brand: payment.brand, agency: payment.agency)
    payment.names = try link.payment(byStaff: caller.isPrivileged)
    return try WalletV1.PayAgencyResponse(try await queue.perform(payment, for: record))
  }
}

extension WalletV1.PayAgencyResponse: ReplayableResponse {
  fileprivate init(_ answer: PayAgency.Answer, replayed: Bool = false) {
    self.init(
      wallet: answer.wallet.map { WalletV1.Wallet($0) }, transaction: WalletV1.Transaction(answer.row),
      replayed: replayed)
  }

  fileprivate init(_ outcome: Outcome<PayAgency.Answer>) throws {
    self = try Self.answering(outcome) { Self($0, replayed: $1) }
  }
}
