import Foundation
import Kernel
import Logging
import Synchronization
import Telemetry
import Testing

@Suite("Log lines")
struct LogLineTests {
  final class Recorder: LogSink {
    private let lines = Mutex<[[UInt8]]>([])

    func write(_ line: [UInt8]) { lines.withLock { $0.append(line) } }

    var all: [[UInt8]] { lines.withLock { $0 } }
  }

  struct FixedClock: WallClock {
    func now() -> Timestamp { Timestamp(milliseconds: 1_750_000_000_123) }
  }

  func lines(level: Logger.Level = .info, _ body: (inout Logger) -> Void) -> [String] {
    let recorder = Recorder()
    var logger = Logger(label: "test") { _ in
      JSONLogHandler(service: "wallet", level: level, clock: FixedClock(), sink: recorder)
    }
    body(&logger)
    return recorder.all.map { String(decoding: $0, as: UTF8.self) }
  }

  @Test("an entry is one JSON object on one line, with metadata as members")
  func shape() {
    let found = lines { $0.info("posted", metadata: ["wallet": "w1", "legs": [.string("a"), .string("b")]]) }
    #expect(
      found == [
        #"{"timestamp":"2025-06-15T15:06:40.123Z","level":"info","message":"posted","service":"wallet","#
          + #""legs":["a","b"],"wallet":"w1"}"# + "\n"
      ])
  }

  // Goal: whatever is logged, a reader that splits at line ends and parses JSON gets the same text back.
  @Test(
    "any text survives",
    arguments: [
      "plain", "quote \" slash \\", "line\nbreak\r\n\ttab", "\u{0}\u{1}\u{1F}\u{7F}", "₹ \u{1F600}", "\u{2028}",
    ])
  func escaping(text: String) throws {
    let found = try #require(lines { $0.info("x", metadata: ["text": "\(text)"]) }.first)
    #expect(found.dropLast().unicodeScalars.allSatisfy { $0 != "\n" && $0.value >= 0x20 })
    let object = try #require(try JSONSerialization.jsonObject(with: Data(found.utf8)) as? [String: Any])
    #expect(object["text"] as? String == text)
  }

  @Test("metadata cannot replace the members of every line")
  func takenNames() throws {
    let found = try #require(lines { $0.info("x", metadata: ["level": "fake", "service": "fake"]) }.first)
    #expect(found.contains(#""level":"info""#) && found.contains(#""service":"wallet""#))
    #expect(found.contains(#""metadata.level":"fake""#))
  }

  @Test(
    "secrets are hidden by name and by look",
    arguments: [
      (["authorization": "c4n4ry"], "x"), (["accessToken": "c4n4ry"], "x"), (["mobo-service-key": "c4n4ry"], "x"),
      (["ADMIN_SEED_PASSWORD": "c4n4ry"], "x"), (["request": ["password": "c4n4ry"]], "x"),
      (["api_key": "c4n4ry"], "x"), (["apiKey": ["c4n4ry"]], "x"), ([:], "sent Bearer c4n4ry to x"),
      ([:], "token eyJhbGciOi.c4n4ry.sig"), (["uri": "mongodb://u:c4n4ry@h/x"], "x"),
      ([:], "cannot reach mongodb://u:c4n4ry@h/x now"),
    ] as [(Logger.Metadata, String)])
  func redaction(metadata: Logger.Metadata, message: String) throws {
    let found = try #require(lines { $0.info("\(message)", metadata: metadata) }.first)
    #expect(!found.contains("c4n4ry"))
    #expect(found.contains(Redactor.mask))
  }

  @Test(
    "harmless names stay",
    arguments: ["monkey", "walletId", "tokenExpiresAt", "keyCount", "kid", "method", "TLS_KEY_FILE"])
  func harmless(name: String) throws {
    #expect(try #require(lines { $0.info("x", metadata: [name: "shown"]) }.first).contains("shown"))
  }

  @Test("the listening line has exactly its members")
  func listening() throws {
    let recorder = Recorder()
    Logs.announceListening(
      service: "gateway", grpc: "127.0.0.1:50050", admin: "127.0.0.1:51050", http: "127.0.0.1:8080",
      clock: FixedClock(), sink: recorder)
    Logs.announceListening(
      service: "wallet", grpc: "127.0.0.1:1", admin: "127.0.0.1:2", http: nil, clock: FixedClock(), sink: recorder)
    let names = try recorder.all.map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line)) as? [String: String]).keys.sorted()
    }
    #expect(names[0] == ["admin", "grpc", "http", "level", "message", "service", "timestamp"])
    #expect(names[1] == ["admin", "grpc", "level", "message", "service", "timestamp"])
  }

  @Test(
    "times are RFC 3339, before 1970 and on leap days too",
    arguments: [
      (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
      (951_782_400_000, "2000-02-29T00:00:00.000Z"), (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
      (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
    ] as [(Int64, String)])
  func times(milliseconds: Int64, text: String) {
    #expect(Timestamp(milliseconds: milliseconds).rfc3339 == text)
  }
}

@Suite("Metrics")
struct MetricsTests {
  @Test("counters and histograms are OpenMetrics text with cumulative buckets")
  func exposition() {
    let metrics = Metrics()
    metrics.increment("calls", ["method": "A\"b"], by: 2)
    metrics.observe("latency_seconds", ["method": "A"], .milliseconds(1))
    metrics.observe("latency_seconds", ["method": "A"], .seconds(40))
    let text = metrics.text()
    #expect(text.contains("# TYPE calls counter\ncalls_total{method=\"A\\\"b\"} 2\n"))
    #expect(text.contains("latency_seconds_bucket{method=\"A\",le=\"0.001\"} 1\n"))
    #expect(text.contains("latency_seconds_bucket{method=\"A\",le=\"30.0\"} 1\n"))
    #expect(text.contains("latency_seconds_bucket{method=\"A\",le=\"+Inf\"} 2\n"))
    #expect(text.hasSuffix("# EOF\n"))
  }
}
