import Logging
import Synchronization
import Telemetry
import Transport

/// Keeps the process's certificates those of its files: looks at an interval and whenever it is told to, and warns
/// before they end.
final class CertificateWatch: Sendable {
  /// Time enough to find out why nobody has renewed the certificate.
  static let warningTime = Int64(7 * 86_400)
  /// How often the same warning is repeated.
  static let warningPeriod = Duration.seconds(86_400)

  private let credentials: TLSCredentials
  private let interval: Duration
  private let logger: Logger
  private let lastWarning = Mutex<ContinuousClock.Instant?>(nil)

  init(_ credentials: TLSCredentials, interval: Duration, logger: Logger) {
    self.credentials = credentials
    self.interval = interval
    self.logger = logger
  }

  /// Returns when its task is cancelled.
  func run(requests: AsyncStream<Void>) async {
    await withTaskGroup { group in
      group.addTask {
        repeat { self.look() } while (try? await Task.sleep(for: self.interval, clock: .continuous)) != nil
      }
      group.addTask {
        for await _ in requests {
          self.logger.info("looking at the certificates, as told by SIGHUP")
          self.look()
        }
      }
    }
  }

  /// Looks at the files once.
  func look(at now: ContinuousClock.Instant = .now) {
    switch credentials.reload() {
    case .unchanged: break
    case .replaced(let facts):
      lastWarning.withLock { $0 = nil }
      logger.info("the certificates were replaced", metadata: Self.metadata(facts))
    case .refused(let failure, isNew: true):
      logger.error(
        "the new certificates cannot be used; the old ones stay", metadata: ["reason": "\(failure)"])
    case .refused(_, isNew: false): break
    }
    warn(at: now)
  }

  static func metadata(_ facts: TLSFacts) -> Logger.Metadata {
    ["subject": "\(facts.subject)", "not_after": "\(facts.certificateNotAfter ?? 0)"]
  }

  private func warn(at now: ContinuousClock.Instant) {
    guard let left = credentials.secondsLeft, left < Self.warningTime else { return }
    let isDue = lastWarning.withLock { last in
      if let last, last.duration(to: now) < Self.warningPeriod { return false }
      last = now
      return true
    }
    guard isDue else { return }
    let text = left > 0 ? "the certificate ends soon" : "the certificate has expired: no peer accepts it"
    logger.warning("\(text)", metadata: ["seconds_left": "\(left)", "subject": "\(credentials.facts.subject)"])
  }
}

extension ProcessReadings {
  static func certificates(_ credentials: TLSCredentials) -> [Metrics.Reading] {
    let (facts, statistics) = (credentials.facts, credentials.statistics)
    var readings: [Metrics.Reading] = []
    if let notAfter = facts.certificateNotAfter, let left = credentials.secondsLeft {
      readings.append(
        .init(
          "tls_certificate_not_after_timestamp_seconds", help: "When the certificate ends, in seconds since 1970.",
          Double(notAfter)))
      readings.append(
        .init("tls_certificate_expiry_seconds", help: "How long the certificate is still valid.", Double(left)))
    }
    if let notAfter = facts.authoritiesNotAfter {
      readings.append(
        .init(
          "tls_authority_not_after_timestamp_seconds",
          help: "When the first of the trusted authorities ends, in seconds since 1970.", Double(notAfter)))
    }
    let counters: [(String, String, Int)] = [
      ("tls_reloads", "Certificates that were replaced while running.", statistics.reloads),
      ("tls_failed_reloads", "New certificate files that could not be used.", statistics.failedReloads),
      ("tls_handshakes", "Handshakes that ended well, as server and as client.", statistics.handshakes),
      ("tls_failed_handshakes", "Handshakes that came to nothing.", statistics.failedHandshakes),
    ]
    return readings + counters.map { .init($0.0, .counter, help: $0.1, Double($0.2)) }
  }
}
