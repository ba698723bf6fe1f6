import Kernel

/// Why bytes are not a message, or a message cannot become bytes.
public enum MessageFailure: Error, Hashable, Sendable {
  /// The bytes are not protobuf, or end too early.
  case malformed
  /// More messages inside messages than `MessageLimits.depthMax`.
  case tooDeep
  /// More fields, bytes or memory than `MessageLimits` allows.
  case tooLarge
  /// A string field, by its JSON name, that is not UTF-8.
  case invalidUTF8(field: String)
  /// A string field, by its JSON name, that contains U+0000.
  case containsNUL(field: String)
}

extension Failure {
  /// The refusal of a request whose bytes could not be read.
  public init(_ failure: MessageFailure) {
    switch failure {
    case .malformed: self = Failure(.validationFailed, "the message is malformed")
    case .tooDeep: self = Failure(.validationFailed, "the message is nested too deeply")
    case .tooLarge: self = Failure(.validationFailed, "the message is too large")
    case .invalidUTF8(let field): self = .validation(field, "must be valid UTF-8")
    case .containsNUL(let field): self = .validation(field, "must not contain control characters")
    }
  }
}
