import Config
import ServiceRuntime
import WalletDomain

/// The keys of the process `wallet` beyond those of every process.
struct WalletSettings: ServiceSettings {
  let limits: WalletLimits
  let exportRowsMax: Int

  init(_ keys: inout ConfigurationReader) {
    limits = WalletLimits(
      balanceMax: keys[Keys.walletBalanceMax], businessBalanceMax: keys[Keys.walletBalanceMaxBusiness],
      depositMax: keys[Keys.depositMax], transferMax: keys[Keys.transferMax], payoutMin: keys[Keys.payoutMin],
      payoutMax: keys[Keys.payoutMax], openPayoutsMax: keys[Keys.openPayoutsMax])
    exportRowsMax = keys[Keys.exportRowsMax]
  }
}
