import Kernel
import Synchronization

@testable import RPC

/// Several servers of the same service; each answers with its own number unless the test says otherwise.
struct Replicas: Sendable {
  let servers: [RPCServer]
  let ports: [Int]

  static func with(
    _ count: Int, channel change: (inout RPCChannelConfiguration) -> Void = { _ in },
    answer: @escaping @Sendable (_ replica: Int, [UInt8], CallContext) async throws -> [UInt8] = { replica, _, _ in
      [UInt8(replica)]
    },
    _ body: (RPCChannel, Replicas) async throws -> Void
  ) async throws {
    var (servers, ports): ([RPCServer], [Int]) = ([], [])
    for replica in 0..<count {
      let service = ProbeService { bytes, context in try await answer(replica, bytes, context) }
      let server = make(service, port: 0)
      ports.append(try await server.start().port)
      servers.append(server)
    }
    let replicas = Replicas(servers: servers, ports: ports)
    var configuration = RPCChannelConfiguration()
    change(&configuration)
    let channel = RPCChannel(target: replicas.target, configuration: configuration, logger: quiet)
    let result: Result<Void, any Error>
    do { result = .success(try await body(channel, replicas)) } catch { result = .failure(error) }
    await channel.close(within: .zero)
    for server in servers { await server.shutdownGracefully(within: .zero) }
    try result.get()
  }

  private static func make(_ service: ProbeService, port: Int) -> RPCServer {
    RPCServer(
      RPCServerConfiguration(host: "127.0.0.1", port: port), interceptors: [], services: [service], logger: quiet)
  }

  /// A new process, so to say, in the place of a replica that has stopped.
  static func start(_ replica: Int, port: Int) async throws -> RPCServer {
    let server = make(ProbeService { _, _ in [UInt8(replica)] }, port: port)
    _ = try await server.start()
    return server
  }

  /// A list of all of them.
  var target: String { ports.map { "127.0.0.1:\($0)" }.joined(separator: ",") }
}

extension RPCChannel {
  /// The number of the replica that answered.
  func replica(_ options: CallOptions = CallOptions()) async throws -> Int {
    Int(try await unary(ProbeService.call, [], options: options).first ?? 255)
  }

  /// Waits until the channel is in this state.
  func reaches(_ state: ConnectivityState) async {
    for await next in states() where next == state { return }
  }
}

/// A method that changes something.
let mutatingCall = MethodDescriptor(
  service: ProbeService.call.service, name: ProbeService.call.name,
  rules: MethodRules(isPublic: true, mutating: true))

/// Something that goes on, and can be waited for to have gone on.
final class Progress: Sendable {
  private struct State {
    var count = 0
    var waiters: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
  }

  private let state = Mutex(State())

  func advance() {
    let due = state.withLock { state in
      state.count += 1
      let due = state.waiters.filter { $0.count <= state.count }
      state.waiters.removeAll { $0.count <= state.count }
      return due
    }
    for waiter in due { waiter.continuation.resume() }
  }

  /// Waits until it has gone on by so much from now.
  func more(_ steps: Int) async {
    await withCheckedContinuation { continuation in
      state.withLock { $0.waiters.append(($0.count + steps, continuation)) }
    }
  }
}
