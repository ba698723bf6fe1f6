public import HTTP2
public import NIOCore

/// One request and its response, as the code that speaks through it sees it.
///
/// Belongs to its connection's event loop: every method must be called there. After the stream has closed, sending
/// does nothing.
public final class HTTP2Stream: @unchecked Sendable {  // Touched on its connection's event loop only.
  /// False once the stream has closed.
  @exclusivity(unchecked) var isConnected = true
  @exclusivity(unchecked) var slot: StreamSlot
  @exclusivity(unchecked) var handler: (any StreamHandler)?
  /// The peer has sent its end.
  @exclusivity(unchecked) public internal(set) var isPeerDone = false
  /// This side has sent its end.
  @exclusivity(unchecked) var isSelfDone = false
  /// Reset from this side; what still comes in is thrown away.
  @exclusivity(unchecked) var isReset = false
  /// Bytes that came in and were not consumed, and those of them that do not count against the connection's window.
  @exclusivity(unchecked) var unreadBytes = 0
  @exclusivity(unchecked) var lentBytes = 0
  /// When the last of them were consumed, or else when they were first lent.
  @exclusivity(unchecked) var lastRead = NIODeadline.uptimeNanoseconds(0)
  /// Ended because nobody reads it.
  @exclusivity(unchecked) var isUnread = false
  @exclusivity(unchecked) private var hasWork = false
  let home: HTTP2Connection

  init(connection: HTTP2Connection, slot: StreamSlot) {
    self.slot = slot
    home = connection
  }

  /// Begins anew, as another stream of the connection.
  func begin(_ slot: StreamSlot) {
    self.slot = slot
    isConnected = true
    isPeerDone = false
    isSelfDone = false
    isReset = false
    unreadBytes = 0
    lentBytes = 0
    isUnread = false
    hasWork = false
  }

  public var executor: LoopExecutor { home.executor }
  public var eventLoop: any EventLoop { home.executor.eventLoop }
  /// The peer's address, `host:port`.
  public var peer: String { home.peer }
  public var remote: ConnectionPeer { home.remote }
  /// When the input came that is being taken; now, if none is.
  public var inputInstant: ContinuousClock.Instant { home.inputInstant }
  public var isOpen: Bool { isConnected && !isReset }

  /// How late this end comes to what the peer has sent, because its event loop has fallen behind; zero if it has not.
  public var lag: Duration { home.lag }

  /// True while so many calls of the connection are under way that its client is about to hold further ones back.
  public var isConnectionNearlyFull: Bool { home.isNearlyFull }

  /// True while the connection has so many answers to send that further ones should wait.
  public var isConnectionCongested: Bool { home.isCongested }

  /// Sends the head of a response; with `isEnd` it is the whole response.
  public func send(headers: HeaderList, isEnd: Bool = false) {
    attempt { engine throws(HTTP2Failure) in try engine.respond(slot, headers, isEnd: isEnd) }
    if isEnd { isSelfDone = true }
  }

  /// Sends a prepared head.
  public func send(headers: StaticHeaders, isEnd: Bool = false) {
    attempt { engine throws(HTTP2Failure) in try engine.respond(slot, headers, isEnd: isEnd) }
    if isEnd { isSelfDone = true }
  }

  /// Queues a piece of the body. A connection on which too much waits already loses the stream instead.
  public func send(_ bytes: [UInt8]) {
    guard isOpen else { return }
    guard home.mayQueue(bytes.count) else { return reset(.enhanceYourCalm) }
    home.engine.send(slot, bytes)
    home.scheduleFlush()
  }

  /// Ends this side.
  public func finish() {
    attempt { engine in engine.finish(slot) }
    isSelfDone = true
  }

  public func finish(trailers: HeaderList) {
    attempt { engine throws(HTTP2Failure) in try engine.finish(slot, trailers: trailers) }
    isSelfDone = true
  }

  public func finish(trailers: StaticHeaders) {
    attempt { engine in engine.finish(slot, trailers: trailers) }
    isSelfDone = true
  }

  /// Ends both sides at once, with RST_STREAM.
  public func reset(_ code: HTTP2ErrorCode) {
    attempt { engine in
      isReset = true
      engine.reset(slot, code)
    }
  }

  /// Ends both sides, unless this one has sent all it has.
  public func resetUnlessSent(_ code: HTTP2ErrorCode) {
    guard isConnected, !home.engine.hasSentEnd(slot) else { return }
    reset(code)
  }

  /// Tells a peer that is still sending that nobody reads it any more (RFC 9113, 8.1), once the whole answer has
  /// gone out. To be called when it has been queued.
  public func stopPeer() {
    guard !isPeerDone else { return }
    attempt { engine in engine.stopPeer(slot) }
  }

  /// Gives received bytes back to the peer's window.
  public func consumed(_ count: Int) {
    guard count > 0 else { return }
    unreadBytes -= count
    let owed = lentBytes == 0 ? count : count - home.takeBack(from: self, count)
    if isConnected {
      if owed > 0 { home.engine.consume(slot, owed) }
      if owed < count { home.engine.consumeOnStream(slot, count - owed) }
    } else if owed > 0 {
      home.engine.consume(owed)  // The stream's own window is gone, the connection's is not.
    }
    home.scheduleFlush()
  }

  /// Says that code runs for this stream, which may outlive it: a peer that opens and resets streams must not set
  /// more work going than it may have open streams.
  public func workBegan() {
    guard !hasWork else { return }
    hasWork = true
    home.working += 1
  }

  public func workEnded() {
    guard hasWork else { return }
    hasWork = false
    home.working -= 1
    home.workEnded()
  }

  /// Runs on the open connection, and has it written soon. A block of headers that cannot be sent ends the stream.
  private func attempt(_ action: (HTTP2Engine) throws(HTTP2Failure) -> Void) {
    guard isOpen else { return }
    do {
      try action(home.engine)
    } catch {
      isReset = true
      home.engine.reset(slot, .internalError)
    }
    home.scheduleFlush()
  }
}
