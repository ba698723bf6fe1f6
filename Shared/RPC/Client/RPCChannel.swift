internal import Kernel
public import Logging
internal import NIOCore
internal import NIOPosix
internal import Transport

/// Makes gRPC calls to a target, over one connection that is opened when the first call needs it.
public final class RPCChannel: Sendable {
  public let target: String
  private let core: ChannelCore?
  private let configuration: RPCChannelConfiguration
  private let interceptors: [any ClientInterceptor]

  /// `target` as `RPCTarget` reads it. Calls to a target that it cannot read fail with UNAVAILABLE.
  public init(
    target: String, configuration: RPCChannelConfiguration = RPCChannelConfiguration(),
    interceptors: [any ClientInterceptor] = [], logger: Logger
  ) {
    self.target = target
    self.configuration = configuration
    self.interceptors = interceptors
    core = RPCTarget(target).map {
      ChannelCore(
        target: $0, configuration: configuration, eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
        logger: logger)
    }
  }

  /// Takes no further call, lets those under way finish for `limit` at most, and closes the connection.
  public func close(within limit: Duration = .seconds(5)) async {
    guard let core else { return }
    let timer = Task {
      try await Task.sleep(for: limit)
      core.eventLoop.execute { core.closeNow() }
    }
    await withCheckedContinuation { continuation in
      core.eventLoop.execute { core.close(continuation) }
    }
    timer.cancel()
  }

  /// Calls a unary method. Throws `RPCError`, or `CancellationError` if the task is cancelled.
  public func unary(
    _ method: MethodDescriptor, _ message: [UInt8], options: CallOptions = CallOptions()
  ) async throws -> [UInt8] {
    let request = ClientRequest(method: method, metadata: metadata(options), message: message)
    return try await step(0, request, options, deadline(options)).message
  }

  private func step(
    _ index: Int, _ request: ClientRequest, _ options: CallOptions, _ deadline: Deadline?
  ) async throws -> ClientResponse {
    guard index < interceptors.count else { return try await send(request, options, deadline) }
    return try await interceptors[index].intercept(request) { try await step(index + 1, $0, options, deadline) }
  }

  /// What the running call's scope hands on, unless the options say otherwise.
  private func metadata(_ options: CallOptions) -> Metadata {
    var metadata = options.metadata
    guard let scope = CallScope.current else { return metadata }
    if metadata["x-request-id"] == nil { metadata.append("x-request-id", scope.requestID) }
    if metadata["traceparent"] == nil, let traceparent = scope.traceparent {
      metadata.append("traceparent", traceparent)
    }
    return metadata
  }

  private func deadline(_ options: CallOptions) -> Deadline? {
    if let duration = options.deadline { return Deadline.soonest(of: duration) }
    return Deadline.current ?? configuration.defaultDeadline.map { Deadline.after($0) }
  }

  // MARK: Attempts

  private func send(
    _ request: ClientRequest, _ options: CallOptions, _ deadline: Deadline?
  ) async throws -> ClientResponse {
    guard let core else { throw RPCError(.unavailable, "'\(target)' is no target") }
    if let violation = request.metadata.violation { throw RPCError(.internal, violation) }
    guard request.message.count <= configuration.sentMessageBytesMax else {
      let limit = configuration.sentMessageBytesMax
      throw RPCError(.resourceExhausted, "a message of \(request.message.count) bytes exceeds the limit of \(limit)")
    }
    var retries = RetryState(policy: options.retry, deadline: deadline)
    while true {  // Every way round counts as a retry, and those are bounded.
      do {
        return try await attempt(request, retries.attempt, options, deadline, core)
      } catch {
        guard let pause = try retries.pause(after: error) else { continue }
        try await Task.sleep(for: pause)
      }
    }
  }

  private func attempt(
    _ request: ClientRequest, _ number: Int, _ options: CallOptions, _ deadline: Deadline?, _ core: ChannelCore
  ) async throws(AttemptFailure) -> ClientResponse {
    let own = options.attemptDeadline.map { Deadline.after($0) }
    let attempt = ClientAttempt(
      request, number: number, deadline: [own, deadline].compactMap(\.self).min(),
      waitsForReady: options.waitsForReady, messageBytesMax: configuration.messageBytesMax)
    do {
      return try await withTaskCancellationHandler {
        try await withCheckedThrowingContinuation { continuation in
          core.eventLoop.execute {
            if attempt.begin(continuation, on: core.eventLoop) { core.submit(attempt) }
          }
        }
      } onCancel: {
        core.eventLoop.execute { attempt.fail(.cancelled) }
      }
    } catch let failure as AttemptFailure {
      throw failure
    } catch {
      throw .status(RPCError(.internal, "the call ended in an unknown way"))
    }
  }
}
