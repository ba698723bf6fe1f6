import CMongoc
import Kernel
import Logging
import Synchronization

/// libmongoc's pool with its monitoring. Destroyed when the last client is back and nobody holds it.
final class DriverPool: @unchecked Sendable {
  // Unchecked: `mongoc_client_pool_t` may be used from any thread, and the pointer never changes.
  let handle: OpaquePointer
  /// C holds an unretained pointer to it until the pool is destroyed.
  private let observer: TopologyObserver
  private let family: Int32
  /// When the database made durable what it last acknowledged here, by its own count of time; 0 before the first write.
  private let acknowledged = Atomic<UInt64>(0)
  /// By the address of the client.
  private let limits = Mutex<[UInt: ConnectionLimits]>([:])

  /// The time limits of one client's connections, which read them for as long as the client exists.
  ///
  /// Unchecked: used by the thread that has the client, and freed with the pool.
  private struct ConnectionLimits: @unchecked Sendable {
    let io: UnsafeMutablePointer<mobo_io>
  }

  init(_ configuration: MongoConfiguration, observer: TopologyObserver) throws(MongoStartFailure) {
    Driver.initialize()
    let uri = try Self.uri(configuration)
    defer { mongoc_uri_destroy(uri) }
    var outcome = mobo_mongoc_outcome()
    guard let pool = mobo_mongoc_pool(uri, &outcome) else {
      throw .invalidURI(outcome.error(labels: []).message)
    }
    handle = pool
    self.observer = observer
    family = Int32(clamping: configuration.family)
    // One more to end what cancelled callers left running.
    mongoc_client_pool_max_size(pool, UInt32(configuration.poolMax + Limits.lanesMax + 1))
    mongoc_client_pool_set_appname(pool, configuration.appName)
    let callbacks = mongoc_apm_callbacks_new()
    observer.register(in: callbacks)
    observer.registerCommands(in: callbacks)
    mongoc_client_pool_set_apm_callbacks(pool, callbacks, Unmanaged.passUnretained(observer).toOpaque())
    mongoc_apm_callbacks_destroy(callbacks)
  }

  /// What reads must show at least. Right after an election a primary does not know yet how far a majority has come:
  /// its majority reads are then older than what its predecessor had acknowledged.
  var acknowledgedTime: UInt64 { acknowledged.load(ordering: .acquiring) }

  /// Notes the reply to a write that a majority has.
  func acknowledged(by reply: BSONDocument) {
    guard case .timestamp(let time) = try? reply.value("operationTime") else { return }
    acknowledged.max(time, ordering: .acquiringAndReleasing)
  }

  deinit {
    // Joins the monitoring threads, which can take half a second: not on the thread that let go last. C calls the
    // observer until then.
    let limits = limits.withLock { limits in limits.values.map(\.self) }
    let (closing, observer) = (PoolHandle(handle, limits), observer)
    let isStarted = DedicatedThread.start {
      closing.destroy()
      withExtendedLifetime(observer) {}
    }
    if !isStarted { closing.destroy() }
  }

  /// Unchecked: the last owner, whose only act is the destruction.
  private struct PoolHandle: @unchecked Sendable {
    private let handle: OpaquePointer
    private let limits: [ConnectionLimits]

    init(_ handle: OpaquePointer, _ limits: [ConnectionLimits]) {
      self.handle = handle
      self.limits = limits
    }

    func destroy() {
      mongoc_client_pool_destroy(handle)
      for limit in limits { bson_free(limit.io) }
    }
  }

  /// Nil if all clients are taken.
  func client() -> DriverClient? {
    guard let client = mongoc_client_pool_try_pop(handle) else { return nil }
    // Nobody else has this client now.
    let key = UInt(bitPattern: client)
    if let known = limits.withLock({ $0[key] }) { return DriverClient(client, known.io, self) }
    guard let io = mobo_io_new(client, family) else {
      mongoc_client_pool_push(handle, client)
      return nil
    }
    let new = ConnectionLimits(io: io)
    limits.withLock { $0[key] = new }
    return DriverClient(client, io, self)
  }

  private static func uri(_ configuration: MongoConfiguration) throws(MongoStartFailure) -> OpaquePointer {
    let text = try SeedList.adjusted(configuration.uri, family: configuration.family)
    var outcome = mobo_mongoc_outcome()
    guard let uri = mobo_mongoc_uri(text, &outcome) else {
      throw .invalidURI(outcome.error(labels: []).message)
    }
    let spans: [(String, Duration)] = [
      (MONGOC_URI_SERVERSELECTIONTIMEOUTMS, configuration.serverSelectionTimeout),
      (MONGOC_URI_SOCKETTIMEOUTMS, configuration.socketTimeout),
      (MONGOC_URI_CONNECTTIMEOUTMS, configuration.connectTimeout),
      (MONGOC_URI_WAITQUEUETIMEOUTMS, configuration.waitQueueTimeout),
      // libmongoc refuses less than half a second.
      (MONGOC_URI_HEARTBEATFREQUENCYMS, max(configuration.heartbeat, .milliseconds(500))),
    ]
    for (option, span) in spans {
      mongoc_uri_set_option_as_int32(uri, option, Int32(clamping: max(1, span.wholeMilliseconds)))
    }
    // Retries are ours, by label and with pauses: a second layer would multiply attempts (DOMAIN 0.4).
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYREADS, false)
    mongoc_uri_set_option_as_bool(uri, MONGOC_URI_RETRYWRITES, false)
    return uri
  }
}

/// What the process sets up once for libmongoc.
enum Driver {
  static func initialize() {
    _ = started
  }

  private static let started: Bool = {
    mongoc_init()
    mongoc_log_set_handler(
      { level, domain, message, _ in
        guard let message else { return }
        DriverLog.record(level, domain.map { String(cString: $0) } ?? "", String(cString: message))
      }, nil)
    return true
  }()
}

/// libmongoc would write to stderr; its messages become debug lines of ours. What matters is reported by
/// `TopologyObserver` and by failures.
enum DriverLog {
  private static let logger = Logger(label: "mongoc")

  static func record(_ level: mongoc_log_level_t, _ domain: String, _ message: String) {
    logger.debug("\(message)", metadata: ["domain": "\(domain)", "level": "\(level.rawValue)"])
  }
}
