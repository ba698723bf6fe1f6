import Kernel
import Logging
import Synchronization

/// The process's way to its database: one per process (H1).
///
/// Survives a database that goes away: calls fail with `MongoFailure.network` until it is back, and nothing has to be
/// restarted.
public final class MongoClient: Sendable {
  private enum Phase {
    case idle
    /// Concurrent starts share one attempt.
    case starting(Task<Executor, any Error>)
    case started(Executor)
    case closed
  }

  private let configuration: MongoConfiguration
  private let observer: TopologyObserver
  private let phase = Mutex(Phase.idle)

  /// - Parameter listener: hears what happens on the way to the database, for metrics and traces.
  public init(_ configuration: MongoConfiguration, logger: Logger, listener: (any MongoListener)? = nil) {
    self.configuration = configuration
    observer = TopologyObserver(logger: logger, listener: listener)
  }

  /// Connects and checks that the deployment keeps what the product promises. Throws `MongoStartFailure`; may be
  /// called again after that.
  public func start() async throws {
    let attempt = try phase.withLock { phase -> Task<Executor, any Error>? in
      switch phase {
      case .idle:
        let task = Task { try await self.connect() }
        phase = .starting(task)
        return task
      case .starting(let task): return task
      case .started: return nil
      case .closed: throw MongoFailure.closed
      }
    }
    guard let attempt else { return }
    let result = await attempt.result
    let isClosed = phase.withLock { phase in
      // Of those who shared the attempt, the first to arrive here decides; the others find it decided.
      guard case .starting = phase else { return if case .closed = phase { true } else { false } }
      if case .success(let executor) = result { phase = .started(executor) } else { phase = .idle }
      return false
    }
    let executor = try result.get()
    if isClosed {
      await executor.close()
      throw MongoFailure.closed
    }
  }

  public var state: ConnectionState { observer.state }

  /// Has `told` called after every change of `state`, from whatever thread sees it; it must neither block nor call
  /// back. There is one such listener: a second one takes its place.
  public func onStateChange(_ told: @escaping @Sendable () -> Void) {
    observer.onChange(told)
  }

  /// Connections open, idle, and calls waiting for one.
  public var poolStatistics: (size: Int, idle: Int, queued: Int) {
    guard let executor = try? executor() else { return (0, 0, 0) }
    let statistics = executor.workers.statistics
    return (statistics.size, statistics.idle, statistics.queued)
  }

  /// The bounds of the pool.
  public var poolBounds: ClosedRange<Int> { configuration.poolMin...configuration.poolMax }

  /// The database of the configuration. May be taken before `start`; calls fail until then.
  public var database: MongoDatabase { database(configuration.database) }

  public func database(_ name: String) -> MongoDatabase {
    MongoDatabase(client: self, name: name)
  }

  /// Lets what runs finish, refuses what waits, and disconnects, which is intended and not logged as a loss.
  public func close() async {
    let before = phase.withLock { phase in
      defer { phase = .closed }
      return phase
    }
    observer.isClosing()
    switch before {
    case .started(let executor): await executor.close()
    case .starting(let task): task.cancel()
    case .idle, .closed: break
    }
    observer.isClosed()
  }

  func executor() throws(MongoFailure) -> Executor {
    let executor = phase.withLock { phase -> Executor? in
      if case .started(let executor) = phase { executor } else { nil }
    }
    guard let executor else { throw .closed }
    return executor
  }

  private func connect() async throws -> Executor {
    observer.isConnecting()
    do {
      let driver = try DriverPool(configuration, observer: observer)
      let executor = Executor(configuration, driver, observer)
      do {
        try await checkDeployment(executor)
      } catch {
        await executor.close()
        throw error
      }
      executor.workers.warm()
      observer.onReconnect { [weak workers = executor.workers] in workers?.refresh() }
      return executor
    } catch {
      observer.gaveUp()
      throw error
    }
  }

  private func checkDeployment(_ executor: Executor) async throws {
    let hello: BSONDocument
    do {
      hello = try await executor.workers.perform(until: nil) { [configuration] context, _ in
        try context.client.awaitPrimary()
        return try context.client.command(
          ["hello": 1], database: "admin", session: nil, within: configuration.socketTimeout)
      }
    } catch let failure as MongoFailure {
      if Diagnosis.findsStandalone(configuration.uri) { throw MongoStartFailure.noReplicaSet }
      throw MongoStartFailure.unreachable(failure.description)
    }
    let isRouter = try hello.optionalString("msg") == "isdbgrid"
    guard isRouter || hello.has("setName") else { throw MongoStartFailure.noReplicaSet }
    if hello.has("arbiters"), !(try hello.array("arbiters").isEmpty) { throw MongoStartFailure.hasArbiter }
  }
}
