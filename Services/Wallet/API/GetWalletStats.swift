import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  public func getWalletStats(
    _ request: WalletV1.GetWalletStatsRequest, _ context: CallContext
  ) async throws -> WalletV1.GetWalletStatsResponse {
    let totals = try await store.totals()
    return WalletV1.GetWalletStatsResponse(
      wallets: OwnerKind.allCases.compactMap { kind in
        totals.wallets[kind].map { wallets in
          WalletV1.WalletTotals(
            ownerKind: .init(domain: kind), wallets: wallets.count,
            availablePaise: wallets.balances.available.paise, lockedPaise: wallets.balances.locked.paise,
            pendingPaise: wallets.balances.pending.paise)
        }
      },
      payouts: PayoutStatus.allCases.compactMap { status in
        totals.payouts[status].map { payouts in
          WalletV1.PayoutTotals(
            status: .init(domain: status), payouts: payouts.count, amountPaise: payouts.amount.paise)
        }
      },
      openHolds: totals.openHolds.count, openHoldsPaise: totals.openHolds.amount.paise)
  }
}
