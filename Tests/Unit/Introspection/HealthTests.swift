import Introspection
import Kernel
import Messages
import RPC
import Stubs
import Synchronization
import Testing

@Suite("Health") struct HealthTests {
  private typealias Status = GrpcHealthV1.HealthCheckResponse.ServingStatus

  private let statuses = HealthStatuses()
  private let context = CallContext(method: HealthMethods.watch)

  init() {
    statuses.update(["": .serving, "a.A": .serving, "b.B": .notServing])
  }

  /// A running watch, whose answers arrive one by one.
  private func watch(_ service: String) -> (answers: AsyncStream<Status>.Iterator, task: Task<Void, any Error>) {
    let (answers, continuation) = AsyncStream.makeStream(of: Status.self)
    let health = HealthService(statuses)
    let context = context
    let task = Task {
      defer { continuation.finish() }
      try await health.watch(
        GrpcHealthV1.HealthCheckRequest(service: service), context,
        ResponseWriter { answer, _ in continuation.yield(answer.status) })
    }
    return (answers.makeAsyncIterator(), task)
  }

  @Test("a check tells the status, and NOT_FOUND for a service that is not there")
  func check() async throws {
    let health = HealthService(statuses)
    #expect(try await health.check(.init(), context).status == .serving)
    #expect(try await health.check(.init(service: "b.B"), context).status == .notServing)
    let refusal = await #expect(throws: RPCError.self) { try await health.check(.init(service: "c.C"), context) }
    #expect(refusal?.code == .notFound)
  }

  @Test("a list has every service and the process")
  func list() async throws {
    let answer = try await HealthService(statuses).list(.init(), context)
    #expect(answer.statuses.mapValues(\.status) == ["": .serving, "a.A": .serving, "b.B": .notServing])
  }

  @Test("a watch tells the status at once and then each change, and nothing of other services")
  func changes() async {
    var (answers, task) = watch("a.A")
    #expect(await answers.next() == .serving)
    statuses.update(["": .serving, "a.A": .serving, "b.B": .serving])
    statuses.update(["": .serving, "a.A": .notServing, "b.B": .serving])
    #expect(await answers.next() == .notServing)
    statuses.update(["": .serving, "a.A": .serving, "b.B": .serving])
    #expect(await answers.next() == .serving)
    task.cancel()
    #expect(await answers.next() == nil)
  }

  @Test("a watch of an unknown service stays open, and tells when the service comes")
  func unknown() async {
    var (answers, task) = watch("c.C")
    #expect(await answers.next() == .serviceUnknown)
    statuses.update(["c.C": .serving])
    #expect(await answers.next() == .serving)
    statuses.update([:])
    #expect(await answers.next() == .serviceUnknown)
    task.cancel()
  }

  @Test("the last status is heard before a watch ends with UNAVAILABLE, and the end can be awaited")
  func drain() async {
    var (answers, task) = watch("")
    #expect(await answers.next() == .serving)
    statuses.update(["": .notServing])
    statuses.endWatches()
    #expect(await answers.next() == .notServing)
    let end = await #expect(throws: RPCError.self) { try await task.value }
    #expect(end?.code == .unavailable)
    await statuses.waitForWatches()

    // Who comes later hears the same.
    var (later, second) = watch("")
    #expect(await later.next() == .notServing)
    await #expect(throws: RPCError.self) { try await second.value }
  }

  @Test("a cancelled watch is forgotten")
  func cancelled() async {
    var (answers, task) = watch("")
    #expect(await answers.next() == .serving)
    task.cancel()
    await statuses.waitForWatches()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}
