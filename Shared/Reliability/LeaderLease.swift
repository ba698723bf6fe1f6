import Kernel
import Logging
import Mongo
import Synchronization

/// Lets one of all replicas do some work, and another one go on within seconds when it dies (PLATFORM 4).
///
/// Expiry is judged by the database's clock; the holder counts its own time on the monotonic clock, from before each
/// renewal was sent, so it stops before anybody else may begin. Wall clocks do not matter. Time alone makes nothing
/// safe: a holder that was paused wakes up believing that it still holds the lease. So the work must bear being done
/// twice, or write under `Tenure.fence`.
public final class LeaderLease: Sendable {
  struct Times: Sendable {
    /// How long a holder that is gone keeps others waiting.
    var term = Duration.seconds(5)
    /// Two renewals may fail before the term is over.
    var renewEvery = Duration.milliseconds(1_250)
    /// How soon a lease that was given back is noticed.
    var lookEvery = Duration.seconds(1)
  }

  private struct State {
    var tenure: Tenure?
    /// What the last look at the document has found.
    var holder: String?
    var token: Int64 = 0
    var acquired: Int64 = 0
    var takeovers: Int64 = 0
    var lost: Int64 = 0
  }

  public let name: String
  /// Who we are to the others: unique to this process.
  public let holder: String
  private let store: LeaseStore
  private let times: Times
  private let logger: Logger
  private let state = Mutex(State())

  public convenience init(_ database: MongoDatabase, name: String, holder: String, logger: Logger) {
    self.init(database, name: name, holder: holder, times: Times(), logger: logger)
  }

  init(_ database: MongoDatabase, name: String, holder: String, times: Times, logger: Logger) {
    self.name = name
    self.holder = holder
    self.times = times
    self.logger = logger
    store = LeaseStore(database: database, name: name, holder: holder, term: times.term)
  }

  /// For the service's own list of migrations.
  public static let migrationSteps: [MigrationStep] = [.createCollection(LeaseStore.collection)]

  /// Does `work` whenever the lease is ours, until the task is cancelled; then gives it back at once.
  ///
  /// `work` is cancelled when the lease is lost. It may return early: the lease is given back, and taken again.
  public func lead(_ work: @escaping @Sendable (Tenure) async -> Void) async {
    while !Task.isCancelled {
      let pause: Duration
      switch await look() {
      case .ours(let tenure):
        await serve(tenure, work)
        continue
      case .taken(let remaining): pause = min(times.lookEvery, max(remaining, .zero))
      case .unknown: pause = times.lookEvery
      }
      // Replicas that wait for the same end do not all ask at the same moment.
      let spread = times.lookEvery / 10 * Double.random(in: 0...1)
      do { try await Task.sleep(for: pause + spread, clock: .continuous) } catch { return }
    }
  }

  // MARK: - Taking

  private enum Look {
    case ours(Tenure)
    case taken(remaining: Duration)
    /// The database did not answer.
    case unknown
  }

  private func look() async -> Look {
    let until = Deadline.after(times.term)
    let found: LeaseDocument
    do {
      found = try await Deadline.$current.withValue(until) { try await store.take() }
    } catch {
      logger.debug("lease not readable", metadata: ["lease": "\(name)", "error": "\(error)"])
      return .unknown
    }
    guard found.holder == holder else {
      noteOther(found)
      return .taken(remaining: found.remaining)
    }
    let tenure = Tenure(store, token: found.token, until: until)
    // Given back by its last holder, or never held, is no takeover; nor is a repetition of our own request.
    let before = found.previous.flatMap { $0 == holder ? nil : $0 }
    state.withLock { state in
      state.tenure = tenure
      state.holder = holder
      state.token = found.token
      state.acquired += 1
      if before != nil { state.takeovers += 1 }
    }
    logger.info(
      before == nil ? "lease taken" : "lease taken over",
      metadata: metadata(found.token).merging(before.map { ["from": "\($0)"] } ?? [:]) { old, _ in old })
    return .ours(tenure)
  }

  private func noteOther(_ found: LeaseDocument) {
    let isNews = state.withLock { state in
      defer {
        state.holder = found.holder
        state.token = found.token
      }
      return state.holder != found.holder
    }
    guard isNews, let other = found.holder else { return }
    logger.info("lease is held by another replica", metadata: metadata(found.token).merging(["by": "\(other)"]) { $1 })
  }

  // MARK: - Holding

  private func serve(_ tenure: Tenure, _ work: @escaping @Sendable (Tenure) async -> Void) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.keep(tenure) }
      group.addTask {
        // Whoever was before us can write nothing under its token once this is done.
        guard await self.raiseFence(tenure) else { return }
        await work(tenure)
      }
      await group.next()
      group.cancelAll()
    }
    let wasHeld = tenure.isHeld
    tenure.end()
    state.withLock { $0.tenure = nil }
    guard wasHeld else {
      state.withLock { $0.lost += 1 }
      return logger.warning("lease lost", metadata: metadata(tenure.token))
    }
    // Not cut short by the cancellation that may be the reason to give it back.
    let released = Task.detached { [store, times] in
      await (try? Deadline.$current.withValue(.after(times.lookEvery)) { try await store.giveBack(tenure.token) })
        != nil
    }
    let isReleased = await released.value
    logger.info(isReleased ? "lease given back" : "lease left to expire", metadata: metadata(tenure.token))
  }

  /// Renews until the lease is lost or the task is cancelled.
  private func keep(_ tenure: Tenure) async {
    while true {
      let pause = min(times.renewEvery, max(tenure.remaining, .zero))
      do { try await Task.sleep(for: pause, clock: .continuous) } catch { return }
      guard tenure.isHeld else { return }
      let until = Deadline.after(times.term)
      // An answer that was lost leaves time to ask again.
      let limit = min(tenure.until, .after(times.term / 3))
      do {
        let isOurs = try await Deadline.$current.withValue(limit) { try await store.renew(tenure.token) }
        guard isOurs else { return tenure.end() }
        tenure.extend(to: until)
      } catch {
        if Task.isCancelled { return }
        logger.debug("lease not renewed", metadata: ["lease": "\(name)", "error": "\(error)"])
      }
    }
  }

  /// False when the lease ended before that was possible. A transaction that a paused holder has left open keeps the
  /// fence until the server ends it, so this is tried for as long as we hold the lease.
  private func raiseFence(_ tenure: Tenure) async -> Bool {
    while tenure.isHeld, !Task.isCancelled {
      do {
        try await Deadline.$current.withValue(.after(times.term)) { try await store.raiseFence(to: tenure.token) }
        return true
      } catch is LeaseLost {
        tenure.end()
      } catch {
        logger.debug("fence not raised", metadata: ["lease": "\(name)", "error": "\(error)"])
        do { try await Task.sleep(for: times.lookEvery / 10, clock: .continuous) } catch { return false }
      }
    }
    return false
  }

  private func metadata(_ token: Int64) -> Logger.Metadata {
    ["lease": "\(name)", "token": "\(token)", "holder": "\(holder)"]
  }
}

/// What a lease looks like from here, for metrics.
public struct LeaseReading: Hashable, Sendable {
  public let name: String
  public let isHeld: Bool
  /// The last fencing token seen, ours or another's; zero before the first look.
  public let token: Int64
  /// Times that this process got the lease; of these, from a holder that had not given it back; times it lost it.
  public let acquired: Int64
  public let takeovers: Int64
  public let lost: Int64
}

extension LeaderLease {
  public var reading: LeaseReading {
    state.withLock { state in
      LeaseReading(
        name: name, isHeld: state.tenure?.isHeld ?? false, token: state.token, acquired: state.acquired,
        takeovers: state.takeovers, lost: state.lost)
    }
  }
}

/// One term of office: from getting the lease to losing it or giving it back.
public final class Tenure: Sendable {
  /// Larger than that of everybody who held the lease before.
  public let token: Int64
  private let store: LeaseStore
  private let ends: Mutex<Deadline>

  init(_ store: LeaseStore, token: Int64, until: Deadline) {
    self.store = store
    self.token = token
    ends = Mutex(until)
  }

  /// False once somebody else may hold the lease. True proves nothing about the next moment: see `fence`.
  public var isHeld: Bool { !until.hasPassed }

  /// Makes the transaction of `connection` one that only commits if nobody has followed us: writes the fence document,
  /// so that of two holders one fails. Throws `LeaseLost` when that has happened already.
  ///
  /// Best called last: the document is then kept from a successor for the shortest time.
  public func fence(in connection: MongoConnection) throws {
    try store.writeFence(token, connection)
  }

  var until: Deadline { ends.withLock { $0 } }

  var remaining: Duration { until.remaining }

  func extend(to deadline: Deadline) {
    ends.withLock { $0 = max($0, deadline) }
  }

  func end() {
    ends.withLock { $0 = min($0, .after(.zero)) }
  }
}

/// The work is somebody else's now: nothing of the transaction happened, and the one who follows does it.
public struct LeaseLost: Error, Hashable, Sendable, FailureConvertible {
  public init() {}

  public var failure: Failure {
    Failure(.serviceUnavailable, "another replica has taken over: send it again with the same request id")
  }
}
