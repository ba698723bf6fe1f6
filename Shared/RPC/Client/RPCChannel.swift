internal import Kernel
public import Logging
internal import NIOCore
internal import NIOPosix
internal import Transport

/// Makes gRPC calls to a target.
///
/// It connects when the first call needs it, to the addresses that its load-balancing policy wants. Close it when it is
/// no longer needed; a channel that is forgotten closes as soon as its calls are over.
public final class RPCChannel: Sendable {
  public let target: String
  /// One for each event loop that it lives on; none for a target that cannot be read.
  private let cores: [ChannelCore]
  private let configuration: RPCChannelConfiguration
  private let interceptors: [any ClientInterceptor]
  private let methods: MethodConfigTable

  /// `target` as `RPCTarget` reads it. Calls to a target that it cannot read fail with UNAVAILABLE.
  public convenience init(
    target: String, configuration: RPCChannelConfiguration = RPCChannelConfiguration(),
    interceptors: [any ClientInterceptor] = [], logger: Logger
  ) {
    self.init(
      target: target, configuration: configuration, interceptors: interceptors, resolver: .system, logger: logger)
  }

  /// The same, with names looked up by `resolver`.
  init(
    target: String, configuration: RPCChannelConfiguration, interceptors: [any ClientInterceptor] = [],
    resolver: NameResolver, logger: Logger
  ) {
    self.target = target
    self.configuration = configuration
    self.interceptors = interceptors
    methods = MethodConfigTable(configuration.serviceConfig?.methods ?? [])
    guard let target = RPCTarget(target) else {
      cores = []
      return
    }
    let loops = MultiThreadedEventLoopGroup.singleton
    let record = configuration.channelz?.addChannel(self.target)
    cores = (configuration.usesAllEventLoops ? Array(loops.makeIterator()) : [loops.next()]).map {
      ChannelCore(
        target: target, configuration: configuration, eventLoop: $0, resolver: resolver, record: record,
        logger: logger)
    }
  }

  deinit {
    for core in cores { core.eventLoop.execute { core.close(nil) } }
  }

  /// Takes no further call, lets those under way finish for `limit` at most, and closes the connections.
  public func close(within limit: Duration = .seconds(5)) async {
    let cores = cores
    let timer = Task {
      try await Task.sleep(for: limit)
      for core in cores { core.eventLoop.execute { core.closeNow() } }
    }
    await withTaskGroup { group in
      for core in cores {
        group.addTask {
          await withCheckedContinuation { continuation in
            core.eventLoop.execute { core.close(continuation) }
          }
        }
      }
    }
    timer.cancel()
  }

  // MARK: State

  /// What the channel is doing about its connections; TRANSIENT_FAILURE for a target that cannot be read.
  ///
  /// Of a channel on all event loops it is the state on the first of them.
  public var state: ConnectivityState { cores.first?.states.current ?? .transientFailure }

  /// The current state and the later ones, up to SHUTDOWN. Who is slow to take one misses those between.
  public func states() -> AsyncStream<ConnectivityState> {
    cores.first?.states.watch() ?? AsyncStream(unfolding: { nil })
  }

  /// Connects without waiting for a call.
  public func connect() {
    for core in cores { core.eventLoop.execute { core.activate() } }
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
    let (deadline, attemptDeadline) = (deadline(method, options), attemptDeadline(method, options))
    return try await intercepted(ClientCallHead(method: method, metadata: metadata(options))) { head in
      try await makeCall(head, options, deadline, attemptDeadline: attemptDeadline).whole(message)
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
    let deadline = deadline(method, options)
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
    guard let core = nearestCore else { throw RPCError(.unavailable, "'\(target)' is no target") }
    if let violation = head.metadata.violation { throw RPCError(.internal, violation) }
    let method = methods[head.method]
    let settings = CallSettings(
      deadline: deadline, attemptDeadline: attemptDeadline,
      waitsForReady: options.waitsForReady ?? method?.waitsForReady ?? false,
      attempts: attempts(head.method, options, method), encoding: options.compression,
      messageBytesMax: min(configuration.messageBytesMax, method?.responseBytesMax ?? .max),
      sentMessageBytesMax: min(configuration.sentMessageBytesMax, method?.requestBytesMax ?? .max))
    return ClientCall(head, settings, core)
  }

  /// That of the event loop this runs on, if it has one.
  private var nearestCore: ChannelCore? {
    guard cores.count > 1, let loop = MultiThreadedEventLoopGroup.currentEventLoop else { return cores.first }
    return cores.first { $0.eventLoop === loop } ?? cores.first
  }

  private func attempts(
    _ method: MethodDescriptor, _ options: CallOptions, _ config: MethodConfig?
  ) -> MethodConfig.Attempts {
    // Two attempts at once are one too many for a method that changes something.
    let mayHedge = !method.rules.mutating && method.kind.hasOneRequest
    if let hedging = options.hedging, mayHedge { return .hedging(hedging) }
    guard options.retry == .standard, let attempts = config?.attempts else { return .retry(options.retry) }
    if case .hedging = attempts, !mayHedge { return .retry(options.retry) }
    return attempts
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

  private func deadline(_ method: MethodDescriptor, _ options: CallOptions) -> Deadline? {
    if let own = [options.deadline, methods[method]?.timeout].compactMap(\.self).min() {
      return Deadline.soonest(of: own)
    }
    return Deadline.current ?? configuration.defaultDeadline.map { Deadline.after($0) }
  }

  private func attemptDeadline(_ method: MethodDescriptor, _ options: CallOptions) -> Duration? {
    let givesWay = options.attemptDeadline == Limits.attemptDeadline && methods[method]?.timeout != nil
    return givesWay ? nil : options.attemptDeadline
  }
}
