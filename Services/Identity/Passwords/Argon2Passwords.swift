import Crypto
import IdentityDomain
import Kernel

/// Argon2id passwords, hashed on a few threads of their own (DOMAIN 1.4).
public final class Argon2Passwords: PasswordHashing {
  /// Hashes that may wait. At 19 MiB and 2 passes one takes about 25 ms, so two threads work off 256 in about
  /// three seconds: inside a call's five.
  public static let waitingMax = 256
  /// Threads beyond this help no login and cost 19 MiB each.
  public static let threadsMax = 4

  private let parameters: PasswordHashParameters
  private let threads: HashingThreads
  /// A hash of a password nobody knows, made with today's parameters.
  private let nobody: String

  /// Blocks for one hash. Fails with `INTERNAL_ERROR` when the machine has not the memory for one.
  public init(
    _ parameters: PasswordHashParameters, threadCount: Int = 2, waitingMax: Int = Argon2Passwords.waitingMax
  ) throws(Failure) {
    self.parameters = parameters
    nobody = try Self.encode(Self.randomBytes(32), parameters)
    threads = HashingThreads(threadCount: min(threadCount, Self.threadsMax), waitingMax: waitingMax)
  }

  public func hash(_ password: String) async throws -> String {
    let bytes = Array(password.utf8)
    let parameters = parameters
    return try await threads.run { try Self.encode(bytes, parameters) }
  }

  public func verify(_ password: String, against encoded: String) async throws -> PasswordVerdict {
    guard let stored = PasswordHashParameters(encoded: encoded) else {
      try await verifyNobody(password)
      return .wrong
    }
    let bytes = Array(password.utf8)
    switch try await threads.run({ Argon2.verify(bytes, against: encoded) }) {
    case .right: return .right(isOutdated: stored.areOutgrown(by: parameters))
    case .wrong: return .wrong
    case .failed(let code): throw Failure(.internalError, "argon2id_verify failed with \(code)")
    }
  }

  public func verifyNobody(_ password: String) async throws {
    let bytes = Array(password.utf8)
    let nobody = nobody
    _ = try await threads.run { Argon2.verify(bytes, against: nobody) }
  }

  /// Ends the threads; later calls fail with `SERVICE_UNAVAILABLE`.
  public func close() {
    threads.close()
  }

  private static func encode(
    _ password: [UInt8], _ parameters: PasswordHashParameters
  ) throws(Failure) -> String {
    do {
      return try Argon2.encode(password, salt: randomBytes(PasswordHashParameters.saltBytes), parameters)
    } catch {
      throw Failure(.internalError, "argon2id_hash_encoded failed with \(error.code)")
    }
  }

  private static func randomBytes(_ count: Int) -> [UInt8] {
    SymmetricKey(size: SymmetricKeySize(bitCount: count * 8)).withUnsafeBytes { Array($0) }
  }
}
