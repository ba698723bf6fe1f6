import IdentityDomain
import Kernel
import Messages
import RPC

extension IdentityInternalService {
  /// GetPayoutDestination: account numbers leave identity masked.
  public func getPayoutDestination(
    _ request: IdentityV1.GetPayoutDestinationRequest, _ context: CallContext
  ) async throws -> IdentityV1.GetPayoutDestinationResponse {
    guard let lineage = try await store.lineage(of: try UserID(request.userId, path: "userId")) else {
      throw Failure(.userNotFound, "there is no such user")
    }
    let user = lineage.subject
    let agencyCode = user.roles.contains(.agency) ? user.mediatorCode : lineage.agency?.mediatorCode
    let upi = user.upiID?.trimmed
    return IdentityV1.GetPayoutDestinationResponse(
      beneficiary: IdentityV1.Party(user), upstreamActive: lineage.upstreamActive,
      kycStatus: user.kycStatus.onTheWire, agencyCode: agencyCode?.rawValue,
      upiId: upi.flatMap { $0.isEmpty ? nil : $0 },
      bankDetails: user.bankDetails.flatMap { $0.isComplete ? IdentityV1.BankDetails(masking: $0) : nil })
  }
}

extension IdentityV1.BankDetails {
  /// Only the last four characters of the account number remain.
  fileprivate init(masking bank: BankDetails) {
    self.init(bank)
    let scalars = bank.accountNumber.trimmed.unicodeScalars
    let hidden = max(0, scalars.count - 4)
    accountNumber =
      String(repeating: "*", count: hidden) + String(String.UnicodeScalarView(scalars.dropFirst(hidden)))
  }
}
