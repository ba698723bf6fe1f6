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

  // MARK: Calls

  /// Calls a method with one request and one answer. Throws `RPCError`, or `CancellationError` if the task is
  /// cancelled.
  public func unary(
    _ method: MethodDescriptor, _ message: [UInt8], options: CallOptions = CallOptions()
  ) async throws -> [UInt8] {
    try await unaryResponse(method, message, options: options).message
  }

  /// The same, with the metadata of the answer.
  public func unaryResponse(
    _ method: MethodDescriptor, _ message: [UInt8], options: CallOptions = CallOptions()
  ) async throws -> ClientResponse {
    let deadline = deadline(options)
    return try await intercepted(ClientCallHead(method: method, metadata: metadata(options))) { head in
      try await makeCall(head, options, deadline, attemptDeadline: options.attemptDeadline).whole(message)
    }
  }

  /// Calls a method of any kind: `body` writes the requests and reads the answers. When it returns or throws, the call
  /// is over, and what is unfinished of it is cancelled.
  ///
  /// Throws what `body` throws, and `RPCError` if the call cannot be made at all. A failed call is tried again, by the
  /// options' policy, until the first block of the answer has arrived or more than `Limits.replayBytesMax` have been
  /// sent.
  public func stream<R: Sendable>(
    _ method: MethodDescriptor, options: CallOptions = CallOptions(),
    _ body: (RequestWriter<[UInt8]>, ResponseStream<[UInt8]>) async throws -> R
  ) async throws -> R {
    let deadline = deadline(options)
    return try await intercepted(ClientCallHead(method: method, metadata: metadata(options))) { head in
      try await makeCall(head, options, deadline, attemptDeadline: nil).streamed(body)
    }
  }

  private func intercepted<R: Sendable>(
    _ head: ClientCallHead, _ index: Int = 0, _ call: (ClientCallHead) async throws -> R
  ) async throws -> R {
    guard index < interceptors.count else { return try await call(head) }
    return try await interceptors[index].intercept(head) { try await intercepted($0, index + 1, call) }
  }

  private func makeCall(
    _ head: ClientCallHead, _ options: CallOptions, _ deadline: Deadline?, attemptDeadline: Duration?
  ) throws -> ClientCall {
    guard let core else { throw RPCError(.unavailable, "'\(target)' is no target") }
    if let violation = head.metadata.violation { throw RPCError(.internal, violation) }
    let settings = CallSettings(
      deadline: deadline, attemptDeadline: attemptDeadline, waitsForReady: options.waitsForReady,
      retry: options.retry, messageBytesMax: configuration.messageBytesMax,
      sentMessageBytesMax: configuration.sentMessageBytesMax)
    return ClientCall(head, settings, core)
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
}
