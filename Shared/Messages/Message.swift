public import Kernel

/// A value with a protobuf type, generated from `Proto/`.
///
/// Unknown fields and unknown enum values survive a round trip.
public protocol Message: JSONCoded, Equatable {
  /// The full proto name: `mobo.wallet.v1.DepositRequest`.
  static var fullName: String { get }

  /// Every field at its default: zero, empty, absent.
  init()

  /// Decodes the wire format. Hostile bytes are refused, never trusted: nesting, allocation and text are checked.
  init(serialized bytes: UnsafeRawBufferPointer) throws(MessageFailure)

  /// The wire format, the same bytes for equal messages: fields by number, maps by key, unknown fields last. In front
  /// of it are `room` bytes for the caller to fill, such as the prefix that a message travels with.
  func serialized(behind room: Int) throws(MessageFailure) -> [UInt8]

  /// Trims strings, makes blank optional strings absent and collects every violation of the proto's rules.
  mutating func enforce(_ rules: inout RuleCheck)

  /// Clears fields marked `secret`, here and in nested messages.
  mutating func eraseSecrets()

  /// Puts a digest in the place of each field of bytes, here and in nested messages.
  mutating func digestBytes(_ digest: ([UInt8]) -> [UInt8])

  /// What the wire carried and this version of the protos does not know.
  var unknownFields: UnknownFields { get set }
}

extension Message {
  @inlinable
  public init(serialized bytes: [UInt8]) throws(MessageFailure) {
    self = try bytes.span.bytes.withUnsafeBytes { buffer throws(MessageFailure) in try Self(serialized: buffer) }
  }

  /// The wire format alone.
  @inlinable
  public func serialized() throws(MessageFailure) -> [UInt8] { try serialized(behind: 0) }

  /// Reads JSON text; an empty body counts as `{}`. Fails with `VALIDATION_FAILED` naming the path.
  public init(jsonBytes: [UInt8]) throws(Failure) {
    let json = jsonBytes.isEmpty ? JSONValue.object([]) : try JSONValue(parsing: jsonBytes)
    try self.init(json: json, path: .root)
  }

  /// Canonical proto3 JSON with zero values written and absent fields left out.
  public func jsonBytes() -> [UInt8] {
    var writer = JSONWriter()
    writeJSON(to: &writer)
    return writer.bytes
  }

  /// A copy that obeys the proto's rules: strings trimmed, blank optional strings absent.
  ///
  /// Fails with `VALIDATION_FAILED` and every violation, in the order of the fields.
  @inlinable
  public func validated() throws(Failure) -> Self {
    var copy = self
    try copy.validate()
    return copy
  }

  /// The same in place; what has failed is of no use.
  @inlinable
  public mutating func validate() throws(Failure) {
    var rules = RuleCheck()
    enforce(&rules)
    guard rules.violations.isEmpty else { throw .validation(rules.violations) }
  }

  /// Deterministic bytes that tell requests apart: without the request id and without secrets, pictures replaced by
  /// their digests. The caller hashes them.
  public func fingerprintBytes(digest: ([UInt8]) -> [UInt8]) -> [UInt8] {
    var copy = self
    copy.eraseSecrets()
    copy.digestBytes(digest)
    if var request = copy as? any RequestIdentified {
      request.requestId = ""
      return (try? request.serialized()) ?? []
    }
    // Too large to encode: it cannot have arrived as a request either.
    return (try? copy.serialized()) ?? []
  }

  public mutating func eraseSecrets() {}

  public mutating func digestBytes(_ digest: ([UInt8]) -> [UInt8]) {}
}

/// A request with the field `request_id`, under which its effect is remembered.
public protocol RequestIdentified: Message {
  var requestId: String { get set }
}

/// An answer with the field `replayed`: true when it repeats an earlier answer.
public protocol ReplayMarked: Message {
  var replayed: Bool { get set }
}
