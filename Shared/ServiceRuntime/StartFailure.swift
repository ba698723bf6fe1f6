import Access
import Config
import Kernel
import Mongo
import Transport

/// Why a process could not start or a command could not be carried out, with the exit code that says so.
struct StartFailure: Error {
  let exit: ProcessExit
  /// For people; holds no secret.
  let message: String

  init(_ exit: ProcessExit, _ message: String) {
    self.exit = exit
    self.message = message
  }

  /// The one place where an error becomes an exit code.
  init(_ error: any Error) {
    self =
      switch error {
      case let failure as StartFailure: failure
      case let failure as ConfigurationFailure: StartFailure(.configuration, failure.description)
      case let failure as SigningKeyFailure:
        StartFailure(.configuration, "\(Keys.signingKeyFile.name): \(failure)")
      case let failure as MongoStartFailure: Self.database(failure)
      case let failure as MigrationFailure: Self.migration(failure)
      case let failure as MongoFailure: StartFailure(.unavailable, "MongoDB: \(failure)")
      case let failure as TransportFailure: StartFailure(.unavailable, failure.description)
      case let failure as Failure where failure.kind == .unavailable: StartFailure(.unavailable, failure.message)
      case let failure as Failure: StartFailure(.software, "\(failure.code.rawValue): \(failure.message)")
      default: StartFailure(.software, "\(error)")
      }
  }

  private static func database(_ failure: MongoStartFailure) -> StartFailure {
    if case .invalidURI = failure { return StartFailure(.configuration, "\(Keys.mongoURI.name): \(failure)") }
    return StartFailure(.unavailable, "MongoDB: \(failure)")
  }

  private static func migration(_ failure: MigrationFailure) -> StartFailure {
    if case .unknownID = failure { return StartFailure(.usage, "\(failure)") }
    return StartFailure(.unavailable, "MongoDB: migrations stopped: \(failure)")
  }
}
