/// The cost of an Argon2id hash. More memory and more passes make guessing dearer, for us as well.
public struct PasswordHashParameters: Hashable, Sendable {
  public let memoryKiB: UInt32
  public let passes: UInt32
  /// Always one: a login uses one core, however many there are.
  public static let lanes: UInt32 = 1

  public static let saltBytes = 16
  public static let hashBytes = 32
  /// Argon2 needs eight blocks of 1 KiB per lane (RFC 9106, 3.1).
  public static let memoryRange: ClosedRange<Int> = 8...4_194_304
  public static let passesRange: ClosedRange<Int> = 1...100

  public init(memoryKiB: UInt32 = 19_456, passes: UInt32 = 2) {
    precondition(Self.memoryRange.contains(Int(memoryKiB)) && Self.passesRange.contains(Int(passes)))
    self.memoryKiB = memoryKiB
    self.passes = passes
  }

  /// Reads the cost out of `$argon2id$v=19$m=<KiB>,t=<passes>,p=<lanes>$…`; nil for anything else.
  public init?(encoded: String) {
    let parts = encoded.split(separator: "$", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[0].isEmpty, parts[1] == "argon2id", parts[2] == "v=19" else { return nil }
    var costs: [Substring: UInt32] = [:]
    for setting in parts[3].split(separator: ",") {
      let pair = setting.split(separator: "=")
      guard pair.count == 2, let value = UInt32(pair[1]) else { return nil }
      costs[pair[0]] = value
    }
    guard let memory = costs["m"], let passes = costs["t"], costs["p"] != nil,
      Self.memoryRange.contains(Int(memory)), Self.passesRange.contains(Int(passes))
    else { return nil }
    memoryKiB = memory
    self.passes = passes
  }

  /// True when `target` costs more in some respect, so that a hash made with these should be renewed.
  public func areOutgrown(by target: PasswordHashParameters) -> Bool {
    memoryKiB < target.memoryKiB || passes < target.passes
  }
}
