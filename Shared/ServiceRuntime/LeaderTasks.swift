import Config
import Kernel
import Logging
import Mongo
import Reliability
import Telemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Background work that one of all replicas does: the outbox relay and the sweeps, under one lease of the service.
struct LeaderTasks: Sendable {
  static let leaseName = "background"

  let lease: LeaderLease
  let tasks: [ServiceAssembly.BackgroundTask]
  let logger: Logger

  /// Runs until its task is cancelled.
  func run() async {
    await lease.lead { _ in await BackgroundTasks(tasks: tasks, logger: logger).run() }
  }

  /// The lease as this process asks for it. Its name in it tells operators which replica, and is taken by nobody else.
  static func lease(_ database: MongoDatabase, _ service: ServiceName, _ logger: Logger) -> LeaderLease {
    var host = [CChar](repeating: 0, count: 256)
    gethostname(&host, host.count - 1)
    let name = String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let suffix = String(UInt64.random(in: .min ... .max), radix: 16)
    return LeaderLease(
      database, name: leaseName, holder: "\(service.rawValue)@\(name)/\(getpid())/\(suffix)", logger: logger)
  }
}

/// What the lease and the outbox relay of a process tell about themselves.
enum ReliabilityReadings {
  static func all(_ lease: LeaderLease?, _ relay: OutboxRelay?) -> [Metrics.Reading] {
    (lease.map { readings($0.reading) } ?? []) + (relay.map { readings($0.reading) } ?? [])
  }

  private static func readings(_ lease: LeaseReading) -> [Metrics.Reading] {
    let labels: KeyValuePairs = ["lease": lease.name]
    return [
      .init("lease_held", help: "1 while this process holds the lease.", lease.isHeld ? 1 : 0, labels: labels),
      .init(
        "lease_token", help: "The last fencing token seen, of whatever holder.", Double(lease.token), labels: labels),
      .init(
        "lease_acquired", .counter, help: "Times this process got the lease.", Double(lease.acquired), labels: labels),
      .init(
        "lease_takeovers", .counter, help: "Times it got it from a holder that had not given it back.",
        Double(lease.takeovers), labels: labels),
      .init(
        "lease_lost", .counter, help: "Times this process lost the lease.", Double(lease.lost), labels: labels),
    ]
  }

  private static func readings(_ outbox: OutboxReading) -> [Metrics.Reading] {
    var readings: [Metrics.Reading] = [
      .init("outbox_dispatched", .counter, help: "Messages that the receiver confirmed.", Double(outbox.dispatched)),
      .init("outbox_attempts", .counter, help: "Deliveries tried.", Double(outbox.attempts)),
      .init("outbox_postponed", .counter, help: "Documents let wait for another attempt.", Double(outbox.postponed)),
      .init("outbox_parked", .counter, help: "Documents given up: look at each.", Double(outbox.parked)),
    ]
    if let backlog = outbox.backlog {
      readings.append(.init("outbox_pending", help: "Documents that wait to be delivered.", Double(backlog.pending)))
      let age = backlog.oldest / .seconds(1)
      readings.append(.init("outbox_oldest_age_seconds", help: "How long the oldest of them has waited.", age))
    }
    return readings
  }
}
