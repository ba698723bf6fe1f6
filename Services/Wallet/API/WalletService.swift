public import Kernel
public import Stubs
public import WalletDomain

/// Wallet's RPCs, one per file: parse the request into a command, perform it, answer.
///
/// The caller is authenticated, active, allowed by role, and the fields obey the proto's rules before a method starts.
public struct WalletService: WalletServiceHandlers, WalletInternalServiceHandlers {
  let queue: PostingQueue
  let store: any WalletStore
  let directory: any PartyDirectory
  let limits: WalletLimits
  let pageLimits: PageLimits
  /// Rows of one export.
  let exportRowsMax: Int
  let clock: any WallClock

  public init(
    queue: PostingQueue, store: any WalletStore, directory: any PartyDirectory, limits: WalletLimits,
    pageLimits: PageLimits, exportRowsMax: Int, clock: any WallClock
  ) {
    self.queue = queue
    self.store = store
    self.directory = directory
    self.limits = limits
    self.pageLimits = pageLimits
    self.exportRowsMax = exportRowsMax
    self.clock = clock
  }
}
