internal import Messages

/// The members of a service config, one function for each kind of object.
enum ServiceConfigReader {
  typealias Object = ServiceConfigObject

  static func config(_ json: JSONValue) throws(ServiceConfigFailure) -> ServiceConfig {
    var object = try Object(json, .root)
    var config = ServiceConfig()
    // The older member; the newer one wins (gRFC A21).
    if let name = try object.string("loadBalancingPolicy") {
      config.loadBalancing = try policy(named: name.lowercased(), .object([]), .root.member("loadBalancingPolicy"))
      guard config.loadBalancing != nil else { throw object.failure("loadBalancingPolicy", "names no policy of ours") }
    }
    if let list = object.take("loadBalancingConfig") {
      config.loadBalancing = try loadBalancing(list, .root.member("loadBalancingConfig"))
    }
    for (path, method) in try object.list("methodConfig") { config.methods.append(try self.method(method, path)) }
    try requireUnique(config.methods)
    if let throttling = object.take("retryThrottling") {
      config.retryThrottling = try self.throttling(throttling, .root.member("retryThrottling"))
    }
    try object.finish()
    return config
  }

  private static func present<Value>(
    _ value: Value?, _ path: JSONPath, _ name: String
  ) throws(ServiceConfigFailure) -> Value {
    guard let value else { throw ServiceConfigFailure(path.member(name).text, "is missing") }
    return value
  }

  // MARK: Methods

  /// More are read as this many (gRFC A6).
  private static let attemptsMax = 5

  private static func method(_ json: JSONValue, _ path: JSONPath) throws(ServiceConfigFailure) -> MethodConfig {
    var object = try Object(json, path)
    var config = MethodConfig(names: [])
    for (path, name) in try object.list("name") { config.names.append(try self.name(name, path)) }
    config.waitsForReady = try object.bool("waitForReady")
    config.timeout = try object.duration("timeout")
    config.requestBytesMax = try object.integer("maxRequestMessageBytes", 0...Int(UInt32.max))
    config.responseBytesMax = try object.integer("maxResponseMessageBytes", 0...Int(UInt32.max))
    if let policy = object.take("retryPolicy") {
      config.attempts = .retry(try retry(policy, path.member("retryPolicy")))
    }
    if let policy = object.take("hedgingPolicy") {
      guard config.attempts == nil else { throw object.failure("hedgingPolicy", "excludes retryPolicy") }
      config.attempts = .hedging(try hedging(policy, path.member("hedgingPolicy")))
    }
    try object.finish()
    return config
  }

  private static func name(_ json: JSONValue, _ path: JSONPath) throws(ServiceConfigFailure) -> MethodConfig.Name {
    var object = try Object(json, path)
    let name = MethodConfig.Name(service: try object.string("service") ?? "", method: try object.string("method") ?? "")
    guard !name.service.isEmpty || name.method.isEmpty else { throw object.failure("method", "needs a service") }
    try object.finish()
    return name
  }

  private static func requireUnique(_ methods: [MethodConfig]) throws(ServiceConfigFailure) {
    var seen: Set<MethodConfig.Name> = []
    for (index, config) in methods.enumerated() {
      for (position, name) in config.names.enumerated() where !seen.insert(name).inserted {
        throw ServiceConfigFailure("methodConfig[\(index)].name[\(position)]", "is given more than once")
      }
    }
  }

  private static func retry(_ json: JSONValue, _ path: JSONPath) throws(ServiceConfigFailure) -> RetryPolicy {
    var object = try Object(json, path)
    let attempts = min(try present(object.integer("maxAttempts", 2...Int.max), path, "maxAttempts"), attemptsMax)
    let initial = try present(object.duration("initialBackoff", isPositive: true), path, "initialBackoff")
    let longest = try present(object.duration("maxBackoff", isPositive: true), path, "maxBackoff")
    let multiplier = try present(object.positive("backoffMultiplier"), path, "backoffMultiplier")
    let codes = try self.codes(&object, "retryableStatusCodes")
    guard !codes.isEmpty else { throw object.failure("retryableStatusCodes", "must name a code") }
    try object.finish()
    return RetryPolicy(
      attemptsMax: attempts, pause: initial, multiplier: multiplier, pauseMax: longest, retryableCodes: codes)
  }

  private static func hedging(_ json: JSONValue, _ path: JSONPath) throws(ServiceConfigFailure) -> HedgingPolicy {
    var object = try Object(json, path)
    let attempts = min(try present(object.integer("maxAttempts", 2...Int.max), path, "maxAttempts"), attemptsMax)
    let delay = try object.duration("hedgingDelay") ?? .zero
    let codes = try self.codes(&object, "nonFatalStatusCodes")
    try object.finish()
    return HedgingPolicy(attemptsMax: attempts, delay: delay, nonFatalCodes: codes)
  }

  private static func codes(_ object: inout Object, _ name: String) throws(ServiceConfigFailure) -> Set<StatusCode> {
    var codes: Set<StatusCode> = []
    for (path, json) in try object.list(name) {
      let code: StatusCode?
      switch json {
      case .string(let text): code = StatusCode.allCases.first { $0.description == text.uppercased() }
      case .number(let text): code = Int(text).flatMap(StatusCode.init(rawValue:))
      default: code = nil
      }
      guard let code, code != .ok else { throw ServiceConfigFailure(path.text, "is no status of a failure") }
      codes.insert(code)
    }
    return codes
  }

  private static func throttling(_ json: JSONValue, _ path: JSONPath) throws(ServiceConfigFailure) -> RetryThrottling {
    var object = try Object(json, path)
    let tokens = try present(object.integer("maxTokens", 1...1_000), path, "maxTokens")
    let ratio = try present(object.positive("tokenRatio"), path, "tokenRatio")
    try object.finish()
    // Digits behind the third are ignored (gRFC A6).
    return RetryThrottling(tokensMax: tokens, successMillitokens: max(Int(min(ratio, 1_000) * 1_000), 1))
  }

  // MARK: Load balancing

  /// The first policy of the list that is known here (gRFC A24).
  private static func loadBalancing(_ json: JSONValue, _ path: JSONPath) throws(ServiceConfigFailure) -> LoadBalancing {
    guard case .array(let elements) = json else { throw ServiceConfigFailure(path.text, "must be a list") }
    for (index, element) in elements.enumerated() {
      let path = path.element(index)
      guard case .object(let members) = element, members.count == 1, let only = members.first else {
        throw ServiceConfigFailure(path.text, "must be an object with the name of one policy")
      }
      if let known = try policy(named: only.name, only.value, path.member(only.name)) { return known }
    }
    throw ServiceConfigFailure(path.text, "names no policy of ours")
  }

  private static func policy(
    named name: String, _ json: JSONValue, _ path: JSONPath
  ) throws(ServiceConfigFailure) -> LoadBalancing? {
    var object = try Object(json, path)
    let found: LoadBalancing
    switch name {
    case "pick_first": found = LoadBalancing(.pickFirst(shuffles: try object.bool("shuffleAddressList") ?? false))
    case "round_robin": found = .roundRobin
    case "least_request", "least_request_experimental":
      found = LoadBalancing(.leastRequest(choices: min(try object.integer("choiceCount", 2...Int.max) ?? 2, 10)))
    case "outlier_detection", "outlier_detection_experimental":
      var child = try loadBalancing(
        try present(object.take("childPolicy"), path, "childPolicy"), path.member("childPolicy"))
      child.outlierDetection = try outlierDetection(&object, path)
      found = child
    default: return nil
    }
    try object.finish()
    return found
  }

  private static func outlierDetection(
    _ object: inout Object, _ path: JSONPath
  ) throws(ServiceConfigFailure) -> OutlierDetection {
    var detection = OutlierDetection()
    if let value = try object.duration("interval", isPositive: true) { detection.interval = value }
    if let value = try object.duration("baseEjectionTime") { detection.baseEjectionTime = value }
    if let value = try object.duration("maxEjectionTime") { detection.maxEjectionTime = value }
    if let value = try object.integer("maxEjectionPercent", 0...100) { detection.maxEjectionPercent = value }
    if let json = object.take("successRateEjection") {
      var rule = try Object(json, path.member("successRateEjection"))
      var rate = OutlierDetection.SuccessRate()
      if let value = try rule.integer("stdevFactor", 0...Int(UInt32.max)) { rate.deviationMilli = value }
      try hosts(&rule, &rate.enforcementPercent, &rate.hostsMin, &rate.callsMin)
      detection.successRate = rate
    }
    if let json = object.take("failurePercentageEjection") {
      var rule = try Object(json, path.member("failurePercentageEjection"))
      var share = OutlierDetection.FailurePercentage()
      if let value = try rule.integer("threshold", 0...100) { share.thresholdPercent = value }
      try hosts(&rule, &share.enforcementPercent, &share.hostsMin, &share.callsMin)
      detection.failurePercentage = share
    }
    return detection
  }

  /// The members that both rules have.
  private static func hosts(
    _ rule: inout Object, _ enforcement: inout Int, _ hostsMin: inout Int, _ callsMin: inout Int
  ) throws(ServiceConfigFailure) {
    if let value = try rule.integer("enforcementPercentage", 0...100) { enforcement = value }
    if let value = try rule.integer("minimumHosts", 0...Int(UInt32.max)) { hostsMin = value }
    if let value = try rule.integer("requestVolume", 0...Int(UInt32.max)) { callsMin = value }
    try rule.finish()
  }
}
