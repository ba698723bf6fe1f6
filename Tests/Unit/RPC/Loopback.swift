import Kernel
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import HTTP2
@testable import RPC
@testable import Transport

/// A method whose answer is a closure of the test.
struct ProbeService: ServiceBinding {
  static let call = MethodDescriptor(service: "test.v1.Probe", name: "Call", rules: MethodRules(isPublic: true))

  let answer: @Sendable ([UInt8], CallContext) async throws -> [UInt8]
  var serviceName: String { "test.v1.Probe" }
  var methods: [BoundMethod] { [BoundMethod(ProbeService.call, .unary(answer))] }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A server on a free port of the loopback interface and a channel to it.
struct Loopback: Sendable {
  let server: RPCServer
  let channel: RPCChannel
  let port: Int

  static func with(
    limits: (inout RPCServerConfiguration) -> Void = { _ in },
    channel: RPCChannelConfiguration = RPCChannelConfiguration(), interceptors: [any ServerInterceptor] = [],
    clientInterceptors: [any ClientInterceptor] = [],
    answer: @escaping @Sendable ([UInt8], CallContext) async throws -> [UInt8] = { bytes, _ in bytes },
    _ body: (Loopback) async throws -> Void
  ) async throws {
    var configuration = RPCServerConfiguration(host: "127.0.0.1", port: 0)
    limits(&configuration)
    let server = RPCServer(
      configuration, interceptors: interceptors, services: [ProbeService(answer: answer)], logger: quiet)
    let port = try await server.start().port
    let client = RPCChannel(
      target: "127.0.0.1:\(port)", configuration: channel, interceptors: clientInterceptors, logger: quiet)
    let result: Result<Void, any Error>
    do { result = .success(try await body(Loopback(server: server, channel: client, port: port))) } catch {
      result = .failure(error)
    }
    await client.close(within: .zero)
    await server.shutdownGracefully(within: .zero)
    try result.get()
  }

  func call(_ bytes: [UInt8], options: CallOptions = CallOptions()) async throws -> [UInt8] {
    try await channel.unary(ProbeService.call, bytes, options: options)
  }

  /// The status of a call that must fail.
  func failure(_ bytes: [UInt8] = [], options: CallOptions = CallOptions(retry: .none)) async -> RPCError? {
    do {
      _ = try await call(bytes, options: options)
      return nil
    } catch {
      return error as? RPCError
    }
  }
}

/// Something that happens once and can be awaited.
final class Event: Sendable {
  private let state = Mutex<(happened: Bool, waiters: [CheckedContinuation<Void, Never>])>((false, []))

  func happen() {
    let waiters = state.withLock { state in
      state.happened = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  var hasHappened: Bool { state.withLock { $0.happened } }

  func wait() async {
    await withCheckedContinuation { continuation in
      let happened = state.withLock { state in
        if !state.happened { state.waiters.append(continuation) }
        return state.happened
      }
      if happened { continuation.resume() }
    }
  }
}

final class Counter: Sendable {
  private let value = Mutex(0)

  var count: Int { value.withLock { $0 } }

  @discardableResult
  func increment() -> Int {
    value.withLock { value in
      value += 1
      return value
    }
  }
}

/// Never answers; tells when it has begun and when it is told to stop.
func untilCancelled(began: Event, cancelled: Event) async throws -> [UInt8] {
  try await withTaskCancellationHandler {
    began.happen()
    try await Task.sleep(for: .seconds(3_600))
    return []
  } onCancel: {
    cancelled.happen()
  }
}
