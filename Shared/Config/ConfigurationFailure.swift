/// Everything that is wrong with the configuration, found in one pass, so that one start shows all of it.
public struct ConfigurationFailure: Error, Hashable, Sendable, CustomStringConvertible {
  public struct Problem: Hashable, Sendable, CustomStringConvertible {
    public let key: String
    public let reason: String

    public init(key: String, reason: String) {
      self.key = key
      self.reason = reason
    }

    public var description: String { "\(key): \(reason)" }
  }

  /// In the order in which the keys were read; never empty. No reason holds the value of a secret.
  public let problems: [Problem]

  public init(_ problems: [Problem]) {
    self.problems = problems
  }

  public var description: String {
    (["the configuration is not valid:"] + problems.map { "  \($0)" }).joined(separator: "\n")
  }
}
