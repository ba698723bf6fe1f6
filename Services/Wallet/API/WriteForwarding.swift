import Access
import Kernel
public import RPC
public import WalletDomain

/// Lets any replica take writes: those that hold no lease hand them on to the one that does, with the deadline and the
/// caller unchanged (PLATFORM 5, rule 7).
///
/// While nobody can be reached that holds the lease, a call waits inside its deadline. It is handed on once; again only
/// when it was certainly not applied, or when the lease has changed hands since: what the former holder has not
/// committed by then it never will, and what it has is found by its key. A call that was lost on its way to or from a
/// holder that can still be reached fails: it may yet be applied, so only the caller can say whether to repeat it.
public struct WriteForwarding: Sendable {
  private let queue: PostingQueue
  private let channel: @Sendable (String) -> RPCChannel

  /// - Parameter channel: to the replica at an address.
  public init(queue: PostingQueue, channel: @escaping @Sendable (String) -> RPCChannel) {
    self.queue = queue
    self.channel = channel
  }

  /// The same service, whose mutating methods are answered by whoever holds the lease.
  public func binding(_ own: any ServiceBinding) -> any ServiceBinding {
    ForwardingBinding(serviceName: own.serviceName, methods: own.methods.map(method))
  }

  private func method(_ own: BoundMethod) -> BoundMethod {
    guard own.descriptor.rules.mutating, case .unary(let answer) = own.handler else { return own }
    return BoundMethod(
      own.descriptor,
      .unary { message, context in
        // The usual case costs nothing.
        if case .here = queue.place, let response = try await here(message, context, answer) { return response }
        return try await anywhere(message, context, answer)
      })
  }

  private typealias Answer = @Sendable (_ message: [UInt8], _ context: CallContext) async throws -> [UInt8]

  /// Nil if the lease is held elsewhere after all.
  private func here(_ message: [UInt8], _ context: CallContext, _ answer: Answer) async throws -> [UInt8]? {
    do {
      return try await answer(message, context)
    } catch let elsewhere as NotTheWriter {
      guard !HandedOnCall.isOne(context) else { throw elsewhere }
      return nil
    }
  }

  private func anywhere(_ message: [UInt8], _ context: CallContext, _ answer: Answer) async throws -> [UInt8] {
    while true {
      try requireTime(context)
      let turn = queue.turn
      switch queue.place {
      case .here:
        if let response = try await here(message, context, answer) { return response }
        if queue.turn == turn { await pause(turn) }
      case .elsewhere(let holder):
        guard !HandedOnCall.isOne(context) else { throw NotTheWriter(holder: holder) }
        switch try await handOn(message, context, to: holder, turn) {
        case .answered(let response): return response
        case .notApplied: await pause(turn)
        case .lost: try await outcome(of: context, at: holder, turn)
        case .overtaken: break
        }
      }
    }
  }

  private enum Result: Sendable {
    case answered([UInt8])
    /// The other replica has certainly not applied it.
    case notApplied
    /// The connection broke: whether it was applied is not known.
    case lost
    /// The lease has changed hands.
    case overtaken
  }

  private func handOn(
    _ message: [UInt8], _ context: CallContext, to holder: String, _ turn: UInt64
  ) async throws -> Result {
    let channel = channel(holder)
    guard holder.isEmpty == false, await isReady(channel, turn) else { return .notApplied }
    return try await withThrowingTaskGroup(of: Result.self) { group in
      group.addTask { try await Self.call(channel, message, context) }
      group.addTask {
        await queue.changed(since: turn)
        return .overtaken
      }
      defer { group.cancelAll() }
      return try await group.next() ?? .overtaken
    }
  }

  /// A call that no connection takes has not been sent.
  private func isReady(_ channel: RPCChannel, _ turn: UInt64) async -> Bool {
    if channel.state == .ready { return true }
    channel.connect()
    return await withTaskGroup(of: Bool.self) { group in
      group.addTask {
        for await state in channel.states() where state == .ready { return true }
        return false
      }
      group.addTask {
        await pause(turn)
        return false
      }
      defer { group.cancelAll() }
      return await group.next() ?? false
    }
  }

  private static func call(
    _ channel: RPCChannel, _ message: [UInt8], _ context: CallContext
  ) async throws -> Result {
    let options = CallOptions(
      metadata: HandedOnCall.metadata(for: context), attemptDeadline: nil, retry: .none, waitsForReady: false)
    do {
      return .answered(try await channel.unary(context.method, message, options: options))
    } catch let error as RPCError {
      let failure = Failure(error)
      if failure.metadata[NotTheWriter.mark] != nil { return .notApplied }
      guard failure.kind == .unavailable, failure.retryAfter == nil else { throw failure }
      return .lost
    }
  }

  /// Returns once the lease has changed hands, which decides what became of a lost call.
  ///
  /// - Throws: once the holder can be reached again, or the deadline has passed.
  private func outcome(of context: CallContext, at holder: String, _ turn: UInt64) async throws {
    let channel = channel(holder)
    while true {
      // First of all: what lost the call may not have reached the channel's state yet.
      await pause(turn)
      if queue.turn != turn { return }
      try requireTime(context)
      if channel.state == .ready { throw Self.nobody }
      channel.connect()
    }
  }

  private func requireTime(_ context: CallContext) throws {
    try Task.checkCancellation()
    if context.deadline?.hasPassed == true { throw Self.nobody }
  }

  /// Until the lease changes hands, and not for long.
  private func pause(_ turn: UInt64) async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await queue.changed(since: turn) }
      group.addTask { try? await Task.sleep(for: .milliseconds(250), clock: .continuous) }
      await group.next()
      group.cancelAll()
    }
  }

  /// Whether it was applied is not known: the repeat finds out by its key.
  private static let nobody = Failure(
    .serviceUnavailable, "the replica that writes the books cannot be reached: send it again with the same request id",
    retryAfter: .milliseconds(250))
}

private struct ForwardingBinding: ServiceBinding {
  let serviceName: String
  let methods: [BoundMethod]
}
