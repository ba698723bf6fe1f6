internal import Messages

/// How the calls to a service are made, in the JSON form that gRPC gives it (gRFC A2, A6, A21, A50).
///
/// What a service config says about a method takes the place of this runtime's defaults; what a call's options say
/// goes before both.
public struct ServiceConfig: Hashable, Sendable {
  public var loadBalancing: LoadBalancing?
  public var methods: [MethodConfig]
  /// Nil leaves the channel's own.
  public var retryThrottling: RetryThrottling?

  public init(
    loadBalancing: LoadBalancing? = nil, methods: [MethodConfig] = [], retryThrottling: RetryThrottling? = nil
  ) {
    self.loadBalancing = loadBalancing
    self.methods = methods
    self.retryThrottling = retryThrottling
  }

  /// Reads a service config strictly: a member that is unknown, given twice or out of range is refused.
  public init(json text: String) throws(ServiceConfigFailure) {
    let json: JSONValue
    do {
      json = try JSONValue(parsing: text)
    } catch {
      throw ServiceConfigFailure("", error.violations.first?.message ?? error.message)
    }
    self = try ServiceConfigReader.config(json)
  }
}

/// Why a text is no service config.
public struct ServiceConfigFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// Where, for example `methodConfig[0].retryPolicy.maxAttempts`; empty for the text as a whole.
  public let path: String
  public let message: String

  init(_ path: String, _ message: String) {
    self.path = path
    self.message = message
  }

  public var description: String { "service config: \(path.isEmpty ? "the text" : path) \(message)" }
}

/// What a service config says about some methods.
public struct MethodConfig: Hashable, Sendable {
  /// Which methods are meant.
  public struct Name: Hashable, Sendable {
    /// The full name of a service; empty means every service.
    public var service: String
    /// A method's own name; empty means every method of the service.
    public var method: String

    public init(service: String = "", method: String = "") {
      self.service = service
      self.method = method
    }
  }

  /// Other attempts of a call, if any: after failures, or beside slow ones. Never both.
  public enum Attempts: Hashable, Sendable {
    case retry(RetryPolicy)
    case hedging(HedgingPolicy)
  }

  public var names: [Name]
  /// Nil leaves the caller's choice.
  public var waitsForReady: Bool?
  /// How long a call may take, all attempts included, unless its caller wants less.
  public var timeout: Duration?
  public var attempts: Attempts?
  /// The largest message in bytes, unless the channel's limit is smaller.
  public var requestBytesMax: Int?
  public var responseBytesMax: Int?

  public init(
    names: [Name], waitsForReady: Bool? = nil, timeout: Duration? = nil, attempts: Attempts? = nil,
    requestBytesMax: Int? = nil, responseBytesMax: Int? = nil
  ) {
    self.names = names
    self.waitsForReady = waitsForReady
    self.timeout = timeout
    self.attempts = attempts
    self.requestBytesMax = requestBytesMax
    self.responseBytesMax = responseBytesMax
  }
}

/// How many retries a channel may make compared with its successes (gRFC A6, "Throttling Retry Attempts and Hedged
/// RPCs"): a service that fails most calls is not sent all of them several times.
public struct RetryThrottling: Hashable, Sendable {
  /// Failures cost one token each; there are no retries while half of the tokens or fewer are left. From 1 to 1000.
  public var tokensMax: Int
  /// What a success gives back, in thousandths of a token. At least 1.
  public var successMillitokens: Int

  public init(tokensMax: Int, successMillitokens: Int) {
    precondition((1...1_000).contains(tokensMax) && successMillitokens > 0, "a retry budget has tokens")
    self.tokensMax = tokensMax
    self.successMillitokens = successMillitokens
  }

  /// Five hundred failures in a burst, and in the long run one retry for ten successes.
  public static let standard = RetryThrottling(tokensMax: 1_000, successMillitokens: 100)
}

/// Finds what a service config says about a method: the method's own entry before its service's before everybody's.
struct MethodConfigTable: Sendable {
  private var entries: [MethodConfig.Name: MethodConfig] = [:]

  init(_ methods: [MethodConfig]) {
    for config in methods {
      for name in config.names { entries[name] = config }
    }
  }

  subscript(method: MethodDescriptor) -> MethodConfig? {
    guard !entries.isEmpty else { return nil }
    return entries[MethodConfig.Name(service: method.service, method: method.name)]
      ?? entries[MethodConfig.Name(service: method.service)] ?? entries[MethodConfig.Name()]
  }
}
