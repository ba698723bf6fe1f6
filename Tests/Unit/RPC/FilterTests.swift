import Kernel
import Synchronization
import Testing

@testable import RPC

/// What happened, in order.
private final class Journal: Sendable {
  private let lines = Mutex<[String]>([])

  func write(_ line: String) { lines.withLock { $0.append(line) } }
  var read: [String] { lines.withLock { $0 } }
}

private struct Filter: ServerFilter {
  struct Key: CallContextKey { typealias Value = String }

  let name: String
  let journal: Journal
  var refuses = false

  func admit(_ context: inout CallContext) throws {
    if refuses { throw Failure(.forbidden, "not this one") }
    journal.write("+\(name)")
    context[Key.self] = (context[Key.self] ?? "") + name
  }

  func finished(_ context: CallContext, _ error: (any Error)?) {
    journal.write("-\(name)\(error == nil ? "" : "!")")
  }
}

private struct Around: ServerInterceptor {
  let name: String
  let journal: Journal

  func intercept(_ context: CallContext, next: (CallContext) async throws -> Void) async throws {
    journal.write("+\(name)")
    defer { journal.write("-\(name)") }
    try await next(context)
  }
}

@Suite("Filters and interceptors", .timeLimit(.minutes(1)))
struct FilterTests {
  private let journal = Journal()

  private func run(
    _ interceptors: [any ServerInterceptor],
    answer: @escaping @Sendable ([UInt8], CallContext) async throws -> [UInt8] = { bytes, _ in bytes }
  ) async throws -> RPCError? {
    var failure: RPCError?
    try await Loopback.with(interceptors: interceptors, answer: answer) { failure = await $0.failure() }
    return failure
  }

  @Test("they stand around the handler in their order, whatever they are")
  func order() async throws {
    let chain: [any ServerInterceptor] = [
      Filter(name: "a", journal: journal), Filter(name: "b", journal: journal), Around(name: "c", journal: journal),
      Filter(name: "d", journal: journal),
    ]
    let failure = try await run(chain) { [journal] bytes, context in
      journal.write(context[Filter.Key.self] ?? "")
      return bytes
    }
    #expect(failure == nil)
    #expect(journal.read == ["+a", "+b", "+c", "+d", "abd", "-d", "-c", "-b", "-a"])
  }

  @Test("a filter that refuses is not told of the end, those before it are")
  func refusal() async throws {
    let failure = try await run([
      Filter(name: "a", journal: journal), Filter(name: "b", journal: journal, refuses: true),
      Filter(name: "c", journal: journal),
    ])
    #expect(failure?.code == .permissionDenied)
    #expect(journal.read == ["+a", "-a!"])
  }

  @Test("a handler's failure is told to every filter once")
  func failure() async throws {
    let failure = try await run([Filter(name: "a", journal: journal), Around(name: "b", journal: journal)]) { _, _ in
      throw Failure(.dealNotFound, "nothing")
    }
    #expect(failure?.code == .notFound)
    #expect(journal.read == ["+a", "+b", "-b", "-a!"])
  }

  @Test("a filter around a closure does what the chain does")
  func alone() async throws {
    let filter = Filter(name: "a", journal: journal)
    try await filter.intercept(CallContext(method: ProbeService.call)) { context in
      #expect(context[Filter.Key.self] == "a")
    }
    await #expect(throws: Failure.self) {
      let context = CallContext(method: ProbeService.call)
      try await filter.intercept(context) { _ in throw Failure(.dealNotFound, "nothing") }
    }
    #expect(journal.read == ["+a", "-a", "+a", "-a!"])
  }

  @Test("the end of a call whose caller went away is told when its handler ends")
  func lateEnd() async throws {
    let (began, mayEnd, isOver) = (Event(), Event(), Event())
    let filter = Filter(name: "a", journal: journal)
    try await Loopback.with(
      interceptors: [filter],
      answer: { [journal] bytes, _ in
        began.happen()
        await mayEnd.wait()
        journal.write("handler")
        isOver.happen()
        return bytes
      }
    ) { loopback in
      let client = try await RawClient.connect(port: loopback.port)
      let call = try await client.stream(path: "/test.v1.Probe/Call")
      call.send([], isEnd: true)
      await began.wait()
      call.reset()
      _ = await call.end()
      #expect(journal.read == ["+a"])
      mayEnd.happen()
      await isOver.wait()
      client.close()
    }
    #expect(journal.read == ["+a", "handler", "-a"])
  }
}
