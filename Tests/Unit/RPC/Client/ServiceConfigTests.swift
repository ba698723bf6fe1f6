import Testing

@testable import RPC

@Suite("Service config")
struct ServiceConfigTests {
  private func config(_ json: String) throws -> ServiceConfig { try ServiceConfig(json: json) }

  @Test("everything that gRPC defines is read")
  func everything() throws {
    let config = try config(
      """
      {"loadBalancingConfig": [{"made_up": {"x": 1}}, {"outlier_detection_experimental": {
          "interval": "5s", "baseEjectionTime": "1.5s", "maxEjectionTime": "60s", "maxEjectionPercent": 50,
          "successRateEjection": {"stdevFactor": 1000, "enforcementPercentage": 90, "minimumHosts": 3,
            "requestVolume": 10},
          "failurePercentageEjection": {"threshold": 60, "enforcementPercentage": 80, "minimumHosts": 2,
            "requestVolume": 20},
          "childPolicy": [{"least_request_experimental": {"choiceCount": 3}}]}}, {"pick_first": {}}],
       "methodConfig": [
        {"name": [{"service": "a.B", "method": "C"}, {"service": "a.B", "method": "D"}], "waitForReady": true,
         "timeout": "2.25s", "maxRequestMessageBytes": "100", "maxResponseMessageBytes": 200,
         "retryPolicy": {"maxAttempts": 9, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 1.5,
           "retryableStatusCodes": ["UNAVAILABLE", "aborted", 8]}},
        {"name": [{}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.05s",
           "nonFatalStatusCodes": ["UNAVAILABLE"]}}],
       "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1239}}
      """)
    #expect(
      config.loadBalancing
        == LoadBalancing(
          .leastRequest(choices: 3),
          outlierDetection: OutlierDetection(
            interval: .seconds(5), baseEjectionTime: .milliseconds(1_500), maxEjectionTime: .seconds(60),
            maxEjectionPercent: 50,
            successRate: .init(deviationMilli: 1_000, enforcementPercent: 90, hostsMin: 3, callsMin: 10),
            failurePercentage: .init(thresholdPercent: 60, enforcementPercent: 80, hostsMin: 2, callsMin: 20))))
    #expect(config.retryThrottling == RetryThrottling(tokensMax: 10, successMillitokens: 123))
    let first = try #require(config.methods.first)
    #expect(first.names == [.init(service: "a.B", method: "C"), .init(service: "a.B", method: "D")])
    #expect(first.waitsForReady == true)
    #expect(first.timeout == .milliseconds(2_250))
    #expect(first.requestBytesMax == 100)
    #expect(first.responseBytesMax == 200)
    #expect(
      first.attempts
        == .retry(
          RetryPolicy(
            attemptsMax: 5, pause: .milliseconds(100), multiplier: 1.5, pauseMax: .seconds(1),
            retryableCodes: [.unavailable, .aborted, .resourceExhausted])))
    #expect(
      config.methods.last?.attempts
        == .hedging(HedgingPolicy(attemptsMax: 3, delay: .milliseconds(50), nonFatalCodes: [.unavailable])))
  }

  @Test(
    "policies are read by their names, with their defaults",
    arguments: [
      (#"{"pick_first":{}}"#, .pickFirst()),
      (#"{"pick_first":{"shuffleAddressList":true}}"#, .pickFirst(shuffles: true)),
      (#"{"round_robin":{}}"#, .roundRobin), (#"{"least_request":{}}"#, .leastRequest(choices: 2)),
      (#"{"least_request":{"choiceCount":99}}"#, .leastRequest(choices: 10)),
    ] as [(String, LoadBalancing.Policy)])
  func policies(text: String, expected: LoadBalancing.Policy) throws {
    #expect(try config(#"{"loadBalancingConfig":[\#(text)]}"#).loadBalancing?.policy == expected)
  }

  @Test("an empty config says nothing, and the older name of a policy still counts")
  func small() throws {
    #expect(try config("{}") == ServiceConfig())
    #expect(try config(#"{"loadBalancingPolicy":"ROUND_ROBIN"}"#).loadBalancing == .roundRobin)
    let both = #"{"loadBalancingPolicy":"round_robin","loadBalancingConfig":[{"pick_first":{}}]}"#
    #expect(try config(both).loadBalancing == .pickFirst)
  }

  @Test(
    "what is wrong is named with its place",
    arguments: [
      ("[]", "", "must be an object"), ("{", "", ""), (#"{"x":1}"#, "x", "is not known"),
      (#"{"methodConfig":{}}"#, "methodConfig", "must be a list"),
      (#"{"methodConfig":[{"name":[{"method":"M"}]}]}"#, "methodConfig[0].name[0].method", "needs a service"),
      (
        #"{"methodConfig":[{"name":[{"service":"s"}]},{"name":[{"service":"s"}]}]}"#, "methodConfig[1].name[0]",
        "is given more than once"
      ),
      (#"{"methodConfig":[{"timeout":"5"}]}"#, "methodConfig[0].timeout", "must be a duration such as 1.5s"),
      (#"{"methodConfig":[{"timeout":"-1s"}]}"#, "methodConfig[0].timeout", "must not be negative"),
      (#"{"methodConfig":[{"waitForReady":"yes"}]}"#, "methodConfig[0].waitForReady", "must be true or false"),
      (
        #"{"methodConfig":[{"retryPolicy":{"maxAttempts":1}}]}"#, "methodConfig[0].retryPolicy.maxAttempts",
        "must be at least 2"
      ),
      (
        #"{"methodConfig":[{"retryPolicy":{"maxAttempts":2}}]}"#, "methodConfig[0].retryPolicy.initialBackoff",
        "is missing"
      ),
      (
        #"{"methodConfig":[{"hedgingPolicy":{"maxAttempts":2,"nonFatalStatusCodes":["OK"]}}]}"#,
        "methodConfig[0].hedgingPolicy.nonFatalStatusCodes[0]", "is no status of a failure"
      ),
      (#"{"loadBalancingConfig":[{"made_up":{}}]}"#, "loadBalancingConfig", "names no policy of ours"),
      (
        #"{"loadBalancingConfig":[{"round_robin":{},"pick_first":{}}]}"#, "loadBalancingConfig[0]",
        "must be an object with the name of one policy"
      ),
      (
        #"{"loadBalancingConfig":[{"least_request":{"choiceCount":1}}]}"#,
        "loadBalancingConfig[0].least_request.choiceCount", "must be at least 2"
      ),
      (#"{"retryThrottling":{"maxTokens":1001}}"#, "retryThrottling.maxTokens", "must be from 1 to 1000"),
      (#"{"retryThrottling":{"maxTokens":5,"tokenRatio":0}}"#, "retryThrottling.tokenRatio", "must be above 0"),
    ] as [(String, String, String)])
  func refusals(text: String, path: String, message: String) {
    let failure = #expect(throws: ServiceConfigFailure.self) { try config(text) }
    #expect(failure?.path == path)
    if !message.isEmpty { #expect(failure?.message == message) }
  }

  @Test("a retry policy excludes hedging")
  func retryOrHedging() {
    let retry =
      #"{"maxAttempts":2,"initialBackoff":"1s","maxBackoff":"1s","backoffMultiplier":1,"retryableStatusCodes":[14]}"#
    let text = #"{"methodConfig":[{"retryPolicy":\#(retry),"hedgingPolicy":{"maxAttempts":2}}]}"#
    #expect(throws: ServiceConfigFailure("methodConfig[0].hedgingPolicy", "excludes retryPolicy")) { try config(text) }
  }

  @Test("a method's own entry goes before its service's, and that before everybody's")
  func lookUp() {
    func entry(_ service: String, _ method: String, _ seconds: Int) -> MethodConfig {
      MethodConfig(names: [.init(service: service, method: method)], timeout: .seconds(seconds))
    }
    let table = MethodConfigTable([entry("", "", 1), entry("s", "", 2), entry("s", "m", 3)])
    #expect(table[MethodDescriptor(service: "s", name: "m")]?.timeout == .seconds(3))
    #expect(table[MethodDescriptor(service: "s", name: "n")]?.timeout == .seconds(2))
    #expect(table[MethodDescriptor(service: "t", name: "m")]?.timeout == .seconds(1))
    #expect(MethodConfigTable([entry("s", "m", 3)])[MethodDescriptor(service: "t", name: "m")] == nil)
  }
}
