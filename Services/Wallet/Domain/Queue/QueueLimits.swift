/// Bounds of the posting queue.
public struct QueueLimits: Sendable {
  /// Callers that may wait. At the slowest measured rate of one commit per posting (about 250 per second on a hot
  /// wallet) the last of them is served within the 5 s that a call between services may take; beyond, it is kinder to
  /// refuse at once.
  public var waitingMax = 1_000
  /// Commands per transaction. Six rows of about 600 bytes each make 2 MB, an eighth of MongoDB's largest message.
  public var batchMax = 500
  /// About what a transaction may come to in BSON, whatever its commands are (PLATFORM 5, rule 1).
  public var batchBytesMax = 4 << 20
  /// Commands that are worth a look-up of their own while a batch is under way. Fewer wait until it is about to land.
  public var portionMin = 32
  /// Up to how many callers at a time a batch is followed by a wait for those whom it has answered (`Regrouping`).
  public var regroupMax = 32
  /// How long that wait is at most: about what an answer, a further call and its way into the line take.
  public var regroupTime = Duration.milliseconds(1)
  /// Attempts at one batch that does not fit the books after all (DOMAIN 0.4).
  public var attemptsMax = 3
  /// One round, from load to commit: far below the 60 s after which MongoDB ends a transaction by itself.
  public var roundTime = Duration.seconds(10)
  /// Finding out how a commit of unknown outcome ended.
  public var settleTime = Duration.seconds(5)
  /// Pause after the first lost attempt; it doubles with each further one.
  public var retryBase = Duration.milliseconds(100)
  /// Wallets that are remembered: about 300 bytes each.
  public var walletsMax = 100_000
  /// How often the holder of the lease shows that it lives when nothing is posted (PLATFORM 5, rule 7).
  public var renewEvery = Duration.seconds(1)
  /// How often the others look whether the lease has run out.
  public var lookEvery = Duration.milliseconds(250)

  public init() {}
}
