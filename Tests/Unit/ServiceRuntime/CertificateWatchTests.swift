import Logging
import Synchronization
import TestCertificates
import Testing
import Transport

@testable import ServiceRuntime

@Suite("Certificates of a running process")
struct CertificateWatchTests {
  /// Keeps the level and the text of every line.
  final class Lines: Sendable {
    private let state = Mutex<[String]>([])

    var all: [String] { state.withLock { $0 } }
    func append(_ line: String) { state.withLock { $0.append(line) } }

    var logger: Logger {
      var logger = Logger(label: "test") { _ in Handler(lines: self) }
      logger.logLevel = .info
      return logger
    }
  }

  struct Handler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { lines.append("\(event.level): \(event.message)") }
  }

  static let day = 86_400.0

  @Test("a new certificate is told of, a bad one once and at error, and the good one stays in use")
  func replacement() throws {
    let authority = try TestAuthority()
    let folder = try TLSFolder()
    try folder.write(authority.issue(uris: ["spiffe://mobo/wallet"], to: 30 * Self.day), trusting: authority)
    let credentials = try TLSCredentials(folder.files)
    let lines = Lines()
    let watch = CertificateWatch(credentials, interval: .seconds(10), logger: lines.logger)

    watch.look()
    #expect(lines.all.isEmpty)
    try folder.write(authority.issue(uris: ["spiffe://mobo/wallet"], to: 20 * Self.day), trusting: authority)
    watch.look()
    #expect(lines.all == ["info: the certificates were replaced"])
    let good = credentials.facts
    try folder.write(.certificate, "no certificate")
    watch.look()
    watch.look()
    #expect(
      lines.all == [
        "info: the certificates were replaced", "error: the new certificates cannot be used; the old ones stay",
      ])
    #expect(credentials.facts == good)
  }

  @Test("the end of a certificate is announced a week ahead, once a day", arguments: [(7.5, false), (6.5, true)])
  func announcement(days: Double, expected: Bool) throws {
    let authority = try TestAuthority()
    let folder = try TLSFolder()
    try folder.write(authority.issue(uris: ["spiffe://mobo/wallet"], to: days * Self.day), trusting: authority)
    let lines = Lines()
    let watch = CertificateWatch(try TLSCredentials(folder.files), interval: .seconds(10), logger: lines.logger)
    let start = ContinuousClock.now
    watch.look(at: start)
    watch.look(at: start + .seconds(86_399))
    #expect(lines.all == (expected ? ["warning: the certificate ends soon"] : []))
    watch.look(at: start + .seconds(86_400))
    #expect(lines.all.count == (expected ? 2 : 0))
  }

  @Test("metrics tell when the certificate ends and how reloading and handshakes went")
  func readings() throws {
    let authority = try TestAuthority()
    let (_, credentials) = try TLSFolder.of("wallet", signedBy: authority)
    let names = ProcessReadings.certificates(credentials).map { "\($0)" }.joined()
    for name in [
      "tls_certificate_not_after_timestamp_seconds", "tls_certificate_expiry_seconds", "tls_reloads",
      "tls_failed_reloads", "tls_handshakes", "tls_failed_handshakes",
    ] {
      #expect(names.contains("\"\(name)\""))
    }
  }
}
