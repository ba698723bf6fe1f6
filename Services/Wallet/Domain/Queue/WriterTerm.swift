public import Kernel

/// One holder's time as the writer of the books, from the take-over to the next one.
public struct WriterTerm: Hashable, Sendable {
  /// How long a lease lasts without a sign of its holder (PLATFORM 5, rule 7).
  public static let lease = Duration.seconds(3)

  /// Raised by every take-over: what was begun under a smaller one can no longer be committed.
  public let token: Int64
  /// Batches committed so far, by whomever.
  public internal(set) var batches: Int64
  /// Until when nobody else may take the lease. On the monotonic clock, and counted from before it was asked for, so
  /// that it never ends later here than at the database.
  public internal(set) var until: Deadline
  /// The time of the last batch, by whomever; nil if none has told.
  public internal(set) var lastAt: Timestamp?

  public init(token: Int64, batches: Int64, until: Deadline, lastAt: Timestamp? = nil) {
    self.token = token
    self.batches = batches
    self.until = until
    self.lastAt = lastAt
  }

  /// How far a clock may be behind the last batch. One that is further behind is believed: then it was the other that
  /// was wrong, and must not date everything that follows.
  public static let clockBehindMax = Duration.seconds(3_600)

  /// The time of the next batch. Rows are dated in the order in which they are committed, also by a clock that was set
  /// back, or that is behind the predecessor's: then each batch comes a millisecond after the one before it, until the
  /// clock has caught up.
  func timeOfNext(_ now: Timestamp) -> Timestamp {
    guard let lastAt, now < lastAt, lastAt <= now.advanced(by: Self.clockBehindMax) else { return now }
    return lastAt.advanced(by: .milliseconds(1))
  }
}

/// The lease as the database shows it, by the database's clock.
public struct LeaseReading: Hashable, Sendable {
  /// What others call to reach the holder (ADVERTISED_TARGET).
  public let holder: String
  public let token: Int64
  /// Zero or negative once it may be taken.
  public let remaining: Duration

  public init(holder: String, token: Int64, remaining: Duration) {
    self.holder = holder
    self.token = token
    self.remaining = remaining
  }
}

public enum LeaseClaim: Sendable {
  case granted(WriterTerm)
  case held(LeaseReading)
}

/// Where commands are applied, as this process knows.
public enum WriterPlace: Hashable, Sendable {
  /// Here: this process holds the lease, or will try to take it for the next command.
  case here
  /// Another process holds the lease; the text is its address.
  case elsewhere(String)
}

/// The command was not applied here, and certainly never will be: another process writes the books.
public struct NotTheWriter: Error, Hashable, Sendable {
  /// Its address.
  public let holder: String

  public init(holder: String) {
    self.holder = holder
  }
}

extension NotTheWriter: FailureConvertible {
  /// Tells whoever handed the command on that it was not applied.
  public static let mark = "notTheWriter"

  public var failure: Failure {
    Failure(
      .serviceUnavailable, "another replica writes the books: send it again with the same request id",
      retryAfter: .milliseconds(250), metadata: [Self.mark: "true"])
  }
}
