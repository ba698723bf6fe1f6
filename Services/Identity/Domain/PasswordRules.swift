import Kernel

/// What a new password must contain (DOMAIN 1.4). Signing in checks the length only, so that a rule made stricter
/// later locks nobody out.
public enum PasswordRules {
  /// Unicode scalars.
  public static let lengthForNew = 8...200

  /// Fails with `VALIDATION_FAILED` naming `path`; the message never repeats the password.
  public static func checkNew(_ password: String, path: String) throws(Failure) {
    let scalars = password.unicodeScalars
    guard lengthForNew.contains(scalars.count) else {
      throw .validation(path, "must have \(lengthForNew.lowerBound) to \(lengthForNew.upperBound) characters")
    }
    let hasUpper = scalars.contains { $0.properties.isUppercase }
    let hasLower = scalars.contains { $0.properties.isLowercase }
    let hasDigit = scalars.contains { $0.properties.numericType == .decimal }
    let hasOther = scalars.contains { scalar in
      !scalar.properties.isUppercase && !scalar.properties.isLowercase && scalar.properties.numericType != .decimal
    }
    guard hasUpper, hasLower, hasDigit, hasOther else {
      throw .validation(path, "must contain an upper-case letter, a lower-case letter, a digit and another character")
    }
  }
}

/// Turns passwords into self-describing strings and back into yes or no.
///
/// Costly on purpose; implementations bound how many run at once and refuse with `SERVICE_UNAVAILABLE` beyond that.
public protocol PasswordHashing: Sendable {
  /// A new encoded string with a salt of its own.
  func hash(_ password: String) async throws -> String

  /// Compares in constant time. A string that cannot be read matches nothing.
  func verify(_ password: String, against encoded: String) async throws -> PasswordVerdict

  /// Spends as much time as `verify` does, so that the answer's delay does not tell whether a user exists.
  func verifyNobody(_ password: String) async throws
}

public enum PasswordVerdict: Hashable, Sendable {
  case wrong
  /// `isOutdated` when the stored string was made with cheaper parameters than today's.
  case right(isOutdated: Bool)
}
