import Kernel
import Logging
import Synchronization
import Testing

@testable import RPC

@Suite("Call log", .timeLimit(.minutes(1)))
struct CallLogTests {
  /// Keeps the lines that a logger writes.
  private final class Lines: Sendable {
    let written = Mutex<[(level: Logger.Level, metadata: Logger.Metadata)]>([])

    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }
  }

  private struct Handler: LogHandler {
    let lines: Lines
    var metadata: Logger.Metadata = [:]
    var logLevel = Logger.Level.info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      lines.written.withLock { $0.append((event.level, event.metadata ?? [:])) }
    }
  }

  private func line(
    answer: @escaping @Sendable ([UInt8], CallContext) async throws -> [UInt8]
  ) async throws -> (level: Logger.Level, metadata: Logger.Metadata) {
    let lines = Lines()
    try await Loopback.with(interceptors: [CallLog(logger: lines.logger)], answer: answer) { loopback in
      let options = CallOptions(metadata: ["x-request-id": "r-1"], retry: .none)
      _ = await loopback.failure(Array("body".utf8), options: options)
    }
    let written = lines.written.withLock { $0 }
    #expect(written.count == 1)
    return try #require(written.first)
  }

  @Test("a call that succeeds writes one line with its method, caller, code and request id, and no body")
  func success() async throws {
    let line = try await line { bytes, context in
      context.note(caller: "user-1")
      return bytes
    }
    #expect(line.level == .info)
    #expect(line.metadata["method"] == "test.v1.Probe/Call")
    #expect(line.metadata["caller"] == "user-1")
    #expect(line.metadata["code"] == "OK")
    #expect(line.metadata["request_id"] == "r-1")
    #expect(line.metadata["reason"] == nil)
    #expect(!"\(line.metadata)".contains("body"))
  }

  @Test(
    "a call that fails writes its reason, at a level that says who should look",
    arguments: [
      (.insufficientFunds, .info), (.databaseUnavailable, .warning), (.internalError, .error),
    ] as [(ErrorCode, Logger.Level)])
  func failure(code: ErrorCode, level: Logger.Level) async throws {
    let line = try await line { _, _ in throw Failure(code, "because") }
    #expect(line.level == level)
    #expect(line.metadata["code"] == "\(StatusCode(code.kind))")
    #expect(line.metadata["reason"] == "\(code.rawValue)")
  }
}
