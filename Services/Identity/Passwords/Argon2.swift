import CArgon2

/// The two calls of libargon2 that are needed; each blocks its thread for as long as the parameters say.
enum Argon2 {
  enum Outcome: Hashable {
    case right
    case wrong
    /// Not an encoded string, or the library had no memory: its code, for the log.
    case failed(code: Int32)
  }

  struct EncodingFailure: Error {
    let code: Int32
  }

  /// The self-describing string of `password`, which may contain any byte.
  static func encode(
    _ password: [UInt8], salt: [UInt8], _ parameters: PasswordHashParameters
  ) throws(EncodingFailure) -> String {
    let capacity = argon2_encodedlen(
      parameters.passes, parameters.memoryKiB, PasswordHashParameters.lanes, UInt32(salt.count),
      UInt32(PasswordHashParameters.hashBytes), Argon2_id)
    var encoded = [CChar](repeating: 0, count: capacity)
    let code = argon2id_hash_encoded(
      parameters.passes, parameters.memoryKiB, PasswordHashParameters.lanes, password, password.count, salt,
      salt.count, PasswordHashParameters.hashBytes, &encoded, capacity)
    guard code == ARGON2_OK.rawValue else { throw EncodingFailure(code: code) }
    return String(decoding: encoded.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
  }

  /// The library compares without looking at where the first difference is.
  static func verify(_ password: [UInt8], against encoded: String) -> Outcome {
    let code = argon2id_verify(encoded, password, password.count)
    switch code {
    case ARGON2_OK.rawValue: return .right
    case ARGON2_VERIFY_MISMATCH.rawValue: return .wrong
    default: return .failed(code: code)
    }
  }
}
