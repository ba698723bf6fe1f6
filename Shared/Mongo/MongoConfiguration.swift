/// How a process uses its database. Concerns are not settings: writes are `majority` and journaled, reads `majority`,
/// transactions `snapshot`, everything on the primary.
public struct MongoConfiguration: Sendable {
  /// May hold a password: never printed.
  public var uri: String
  public var database: String
  /// Names the process to the server; failpoints and `currentOp` filter by it.
  public var appName: String
  /// Connections, and threads that use them.
  public var poolMax: Int
  /// Connections that are opened at start and kept.
  public var poolMin: Int
  public var serverSelectionTimeout: Duration
  public var socketTimeout: Duration
  public var connectTimeout: Duration
  /// How long a call may wait for a free connection.
  public var waitQueueTimeout: Duration
  /// How often servers are looked at when nothing happens. After an error that only claims a change, libmongoc finds
  /// the primary again no sooner than this, so it must stay well below the server selection timeout.
  public var heartbeat: Duration
  /// Attempts in all (DOMAIN 0.4).
  public var retryAttempts: Int
  /// The first pause; each further one doubles, ± 20 %.
  public var retryBase: Duration
  /// 4 connects to IPv4 addresses first, turns `localhost` seeds into 127.0.0.1 and refuses seeds that only have IPv6
  /// addresses; 6 connects to IPv6 addresses first; 0 prefers nothing.
  public var family: Int

  public init(
    uri: String, database: String, appName: String, poolMax: Int = 50, poolMin: Int = 10,
    serverSelectionTimeout: Duration = .milliseconds(5_000), socketTimeout: Duration = .milliseconds(45_000),
    connectTimeout: Duration = .milliseconds(5_000), waitQueueTimeout: Duration = .milliseconds(5_000),
    heartbeat: Duration = .milliseconds(1_000), retryAttempts: Int = 3,
    retryBase: Duration = .milliseconds(100), family: Int = 4
  ) {
    self.uri = uri
    self.database = database
    self.appName = appName
    self.poolMax = max(1, poolMax)
    self.poolMin = min(max(0, poolMin), self.poolMax)
    self.serverSelectionTimeout = serverSelectionTimeout
    self.socketTimeout = socketTimeout
    self.connectTimeout = connectTimeout
    self.waitQueueTimeout = waitQueueTimeout
    self.heartbeat = heartbeat
    self.retryAttempts = max(1, retryAttempts)
    self.retryBase = retryBase
    self.family = family
  }
}

extension MongoConfiguration: CustomStringConvertible {
  /// For the start of a process: everything but the credentials.
  public var description: String {
    "\(redactedURI) database=\(database) app=\(appName) pool=\(poolMin)...\(poolMax) "
      + "serverSelection=\(serverSelectionTimeout) socket=\(socketTimeout) connect=\(connectTimeout) "
      + "waitQueue=\(waitQueueTimeout) heartbeat=\(heartbeat) attempts=\(retryAttempts) pause=\(retryBase) "
      + "family=\(family)"
  }

  /// Hosts and nothing else: options can hold secrets too.
  private var redactedURI: String {
    guard let scheme = uri.firstRange(of: "://") else { return "(malformed)" }
    let authority = uri[scheme.upperBound...].prefix { $0 != "/" && $0 != "?" }
    let hosts = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
    return String(uri[..<scheme.upperBound] + hosts)
  }
}

/// Bounds that are not settings.
enum Limits {
  /// Calls that may wait for a connection; more are refused at once. At 1 ms each, 50 connections serve these in 80 ms.
  static let queueMax = 4_000
  /// A connection above the minimum is given back after this long without work.
  static let idleMax = Duration.seconds(60)
  /// Clients that pinned sessions may take beside the pool's.
  static let lanesMax = 8
  /// Times a commit of unknown outcome is sent, each of them twice by libmongoc after a network error.
  static let commitAttemptsMax = 3
  /// The part of a call's time that waiting for a server may use up, so that the answer still arrives: 9 / 10.
  static let selectionShare = (of: 9, in: 10)
  /// Documents fetched per round trip of a cursor, bounded by the server's 16 MiB anyway.
  static let batchSize: Int64 = 1_000
  /// Bytes of documents per insert command; one larger document travels alone.
  static let insertBytesMax = 8 << 20
  static let insertDocumentsMax = 10_000
  /// How much longer than its time limit a command is waited for: the server answers an expired one by itself.
  static let replyGrace = Duration.seconds(1)
  /// How long an answer to an abort is waited for. Without one the server ends the transaction by itself.
  static let abortMax = Duration.seconds(2)
  /// How long the answer to a ping is waited for.
  static let pingMax = Duration.seconds(2)
  /// How long cancelled work may go on before it is ended at the server.
  static let interruptionPatience = Duration.milliseconds(50)
  /// How long the answer of a server is waited for that is told to end something.
  static let interruptionMax = Duration.seconds(2)
  /// Time that `close` gives to commands that are under way.
  static let closeGrace = Duration.seconds(5)
}
