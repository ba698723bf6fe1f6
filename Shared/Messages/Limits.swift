/// What one message may cost, so that hostile bytes are refused before they hurt.
public enum MessageLimits {
  /// Messages inside messages. protobuf-c recurses once per level: a level takes about 1 KiB of stack, and the
  /// smallest stacks here have 512 KiB.
  public static let depthMax = 100

  /// Fields and list elements of one message, nested ones included. A page of 200 orders has about 15 000.
  public static let fieldsMax = 500_000

  /// The largest message in bytes that is encoded or decoded at all; RPC limits are far below.
  public static let bytesMax = 64 << 20

  /// What decoding may allocate for a message of `bytes` bytes. An empty nested message takes 2 bytes on the wire and
  /// about 250 in memory; real messages of ours stay below 16 times their size.
  public static func arenaBytesMax(forMessageOf bytes: Int) -> Int {
    min(1 << 20 + bytes.multipliedReportingOverflow(by: 32).partialValue, 96 << 20)
  }
}

/// What one JSON text may cost.
public enum JSONLimits {
  /// Objects and lists inside each other; each level is one recursion of the parser.
  public static let depthMax = 100

  /// Values of one text, nested ones included.
  public static let valuesMax = 200_000

  /// Members of one object.
  public static let membersMax = 10_000
}
