import Config
import Kernel
import OrderDomain
import ServiceRuntime

/// The keys of the process `order` beyond those of every process.
struct OrderSettings: ServiceSettings {
  let rules: OrderRules
  let sagaRetryInterval: Duration
  let holdRetryInterval: Duration

  init(_ keys: inout ConfigurationReader) {
    var rules = OrderRules()
    rules.velocity = VelocityLimits(hourly: keys[Keys.orderVelocityHourly], daily: keys[Keys.orderVelocityDaily])
    rules.platformFeeBasisPoints = Int64(keys[Keys.platformFeeBasisPoints])
    rules.priceMax = keys[Keys.priceMax]
    rules.proofRequiredAtCreate = keys[Keys.orderProofRequiredAtCreate]
    rules.proofVerifierRequired = keys[Keys.proofVerifierRequired]
    rules.proofConfidenceThreshold = Int32(keys[Keys.proofConfidenceThreshold])
    rules.strictMediatorVerification = keys[Keys.strictMediatorVerification]
    let (least, most) = (keys[Keys.proofBytesMin], keys[Keys.proofBytesMax])
    if least <= most {
      rules.proofBytes = least...most
    } else {
      keys.reject(Keys.proofBytesMin.name, "must not be above \(Keys.proofBytesMax.name)")
    }
    if keys[Keys.proofVerifier] != .manual {
      keys.reject(Keys.proofVerifier.name, "this build has the manual verifier only")
    }
    self.rules = rules
    sagaRetryInterval = keys[Keys.sagaRetryInterval]
    holdRetryInterval = keys[Keys.holdRetryInterval]
  }
}
