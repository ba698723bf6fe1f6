public import Kernel

/// What the operator has decided about orders (DOMAIN 12.1).
public struct OrderRules: Sendable {
  public var velocity = VelocityLimits()
  public var platformFeeBasisPoints: Int64 = 0
  public var priceMax = Money(paise: 100_000_000)
  public var proofBytes: ClosedRange<Int> = 1...5_242_880
  public var proofRequiredAtCreate = true
  /// Refuses orders while the verifier cannot answer, instead of leaving the decision to people.
  public var proofVerifierRequired = false
  /// A verdict less certain than this counts as "no"; 0 to 100.
  public var proofConfidenceThreshold: Int32 = 75
  /// Mediators may not verify; only agencies and staff do.
  public var strictMediatorVerification = false

  public init() {}
}

/// Times that are part of the protocol with the other services, not of the operator's choice (DOMAIN 4.1, 8).
public enum SagaTimes {
  /// A saga this old belongs to nobody any more and is taken over by the reconciler.
  public static let abandonedAfter = Duration.seconds(30)
  /// A stub without a reservation this old is given up.
  public static let stubLifetime = Duration.seconds(60)
  /// A reservation that arrives after its order was given up is released this much later.
  public static let lateReservation = Duration.seconds(600)
}
