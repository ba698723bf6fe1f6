import Config
import RPC

extension AdmissionConfiguration {
  /// As the configuration of a process says.
  public init(_ common: CommonSettings) {
    self.init(
      limitMin: common.admissionLimits.lowerBound, limitMax: common.admissionLimits.upperBound,
      streamsMax: common.connections.admissionStreamsMax)
  }
}

extension ServerConnectionLimits {
  /// As the configuration of a process says. Services ask each other for signs of life, with calls and without.
  init(_ common: CommonSettings) {
    self.init()
    let settings = common.connections
    keepaliveTime = settings.keepaliveTime
    keepaliveTimeout = settings.keepaliveTimeout
    pingIntervalMin = settings.pingIntervalMin
    permitsPingsWithoutCalls = true
    ageMax = settings.ageMax
    // Room for every unary call; streams are begun anew elsewhere.
    ageGrace = max(common.requestTimeout * 2, ServerConnectionLimits.ageGraceMin)
    connectionsPerAddressMax = settings.perAddressMax
  }

  private static let ageGraceMin = Duration.seconds(60)
}
