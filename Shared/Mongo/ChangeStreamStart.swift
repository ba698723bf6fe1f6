/// Where a change stream begins.
public enum ChangeStreamStart: Hashable, Sendable {
  /// With what happens from now on.
  case now
  /// Behind a position that an earlier stream had reached.
  case after(ResumeToken)
  /// With the first change at or after this time.
  case at(OperationTime)
}

/// A position in the changes of a collection, given out and understood by the server only.
public struct ResumeToken: Hashable, Sendable {
  /// For storing it.
  public let document: BSONDocument

  public init(_ document: BSONDocument) {
    self.document = document
  }
}

/// A moment of the replica set's logical clock.
public struct OperationTime: Hashable, Sendable {
  let value: UInt64

  init(_ value: UInt64) {
    self.value = value
  }
}

extension MongoConnection {
  /// The replica set's time now: later than everything that was committed before.
  public func operationTime() throws(MongoFailure) -> OperationTime {
    guard case .timestamp(let value) = try command(["ping": 1]).value("operationTime") else {
      throw .malformedDocument("`operationTime`: no member of a replica set answers without it")
    }
    return OperationTime(value)
  }
}

extension ChangeStreamStart {
  /// As the stage `$changeStream` takes it.
  var options: BSONDocument {
    switch self {
    case .now: [:]
    // Unlike `resumeAfter` it also takes the position of a collection's end.
    case .after(let token): ["startAfter": .document(token.document)]
    case .at(let time): ["startAtOperationTime": .timestamp(time.value)]
    }
  }
}

public enum ChangeStreamFailure: Error, Hashable, Sendable {
  /// The server no longer knows what happened since the stream's position (or the collection was dropped): read the
  /// collection itself, and watch it from now on.
  case positionLost(String)
}

/// Something that passes: the stream goes on from its position.
struct Interruption: Error {}

extension ChangeStreamFailure {
  private static let resumable = "ResumableChangeStreamError"
  private static let notResumable = "NonResumableChangeStreamError"
  /// CursorNotFound and CursorKilled: nobody has judged the position.
  private static let cursorGone: Set<Int32> = [43, 237]
  /// CappedPositionLost, InvalidResumeToken, ChangeStreamFatalError, ChangeStreamHistoryLost (`error_codes.yml`).
  private static let positionLost: Set<Int32> = [136, 260, 280, 286]

  static func meaning(of error: CommandError) -> any Error {
    if positionLost.contains(error.code) || error.labels.contains(notResumable) {
      return ChangeStreamFailure.positionLost("code \(error.code): \(error.message)")
    }
    if cursorGone.contains(error.code) || error.labels.contains(resumable) { return Interruption() }
    let failure = error.failure(collection: "")
    switch failure {
    case .network, .notPrimary, .maxTimeExpired: return Interruption()
    default: return failure
    }
  }
}

/// Bounds of change streams that are not settings.
enum ChangeStreamLimits {
  /// How long the server waits for a change before it says that there is none. Nothing ends that wait early, not even
  /// killing the cursor, so it is also how long a closed stream keeps its connection.
  static let patience = Duration.seconds(1)
  static let openingMax = Duration.seconds(10)
  /// How long a connection may be silent before the stream is opened anew on another one.
  static let answerMax = openingMax + Limits.replyGrace
  /// Between attempts to go on: 50 ms, doubled up to a second, ± 20 %.
  static let pauseFirst = Duration.milliseconds(50)
  static let pauseMax = Duration.seconds(1)
  /// For killing the cursor.
  static let closeGrace = Duration.seconds(2)
}
