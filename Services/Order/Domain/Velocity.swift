public import Kernel

/// How many orders a shopper may place in rolling windows (DOMAIN 9.3).
public struct VelocityLimits: Hashable, Sendable {
  public let hourly: Int
  public let daily: Int

  public static let hour = Duration.seconds(3_600)
  public static let day = Duration.seconds(86_400)

  public init(hourly: Int = 10, daily: Int = 30) {
    self.hourly = hourly
    self.daily = daily
  }

  /// Whether one more order may be placed at `now`, after orders at `orderedAt` and with `pending` still waiting for
  /// their slot.
  ///
  /// An order counts for exactly one window's length from its moment on. Pending ones count fully: otherwise
  /// parallel requests would all see the same free place. Fails with `VELOCITY_LIMIT`.
  public func admit(orderedAt: [Timestamp], pending: Int, now: Timestamp) throws(Failure) {
    let inDay = orderedAt.filter { $0 > now.advanced(by: .zero - Self.day) }
    let inHour = inDay.filter { $0 > now.advanced(by: .zero - Self.hour) }
    guard inHour.count + pending < hourly else {
      throw Failure(.velocityLimit, "no more than \(hourly) orders in an hour")
    }
    guard inDay.count + pending < daily else {
      throw Failure(.velocityLimit, "no more than \(daily) orders in 24 hours")
    }
  }
}
