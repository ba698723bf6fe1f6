internal import HTTP2
internal import NIOCore

/// How a connection ends in order.
extension HTTP2Connection {
  /// Lets the peer finish: GOAWAY with the highest id, two PINGs, one after the other, to know that nothing is under
  /// way any more, GOAWAY with the last id, and the end of the connection with the end of its last stream.
  public func drain() {
    guard drainStep == .none, let context else { return }
    isClosing = true
    guard isServer else {
      drainStep = .final
      engine.goAway(.noError)
      scheduleFlush()
      return closeIfDrained()
    }
    drainStep = .announced
    upkeep?.drainStarted = context.eventLoop.now
    engine.announceGoAway()
    engine.ping(.drain)
    scheduleFlush()
  }

  /// The peer has seen the announcement. A PING is answered ahead of everything else (RFC 9113, 6.7), also of the
  /// requests that the peer had begun by then; whoever answers a second one has written those before.
  func drainPingAnswered() {
    switch drainStep {
    case .announced:
      drainStep = .seen
      engine.ping(.drain)
      scheduleFlush()
    case .seen: nameLastStream()
    case .none, .final, .givenUp: break
    }
  }

  /// Takes no stream beyond those that have arrived.
  func nameLastStream() {
    drainStep = .final
    engine.goAway(.noError)
    scheduleFlush()
    closeIfDrained()
  }

  func closeIfDrained() {
    guard isDrained else { return }
    // nghttp2 or a handler may be calling, and the next event be a stream that GOAWAY has let in.
    executor.eventLoop.execute { if self.isDrained { self.closeAfterWrites() } }
  }

  private var isDrained: Bool {
    let isOver = drainStep == .final || (isClosing && !isServer)
    return isOver && openStreams == 0 && working == 0
  }

  /// Sends the peer away and tells it why; its calls end.
  func giveUp(_ code: HTTP2ErrorCode, _ reason: String) {
    guard drainStep != .givenUp else { return }  // Of several reasons in one read the first is told.
    guard ending == .none, drainStep != .final else { return close() }
    drainStep = .givenUp
    engine.goAway(code, reason: reason)
    executor.eventLoop.execute { self.closeAfterWrites() }  // The events of this moment are still being taken.
  }

  /// Closes the channel once the peer has been sent everything. A stream counts as closed when its last byte leaves
  /// the engine, while NIO and the socket may hold megabytes before that byte.
  func closeAfterWrites() {
    guard context != nil, ending == .none else { return }
    ending = .flushing
    stopOpening()
    flush()
  }

  /// The engine has nothing left to write: waits until NIO has none either.
  func endOutput(_ context: ChannelHandlerContext) {
    ending = .written
    upkeep?.endingSince = context.eventLoop.now
    stopOpening()
    releaseStreams()  // None after a drain. Those of a connection that was given up end now.
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.whenComplete { self.outputEnded($0) }
    context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: promise)
  }

  /// Sends the end of the stream of bytes and reads on until the peer's. A close here would answer whatever the peer
  /// still sends, be it a window update, with a reset, which drops what waits in the socket.
  private func outputEnded(_ result: Result<Void, any Error>) {
    guard let context, case .success = result else { return close() }
    ending = .lingering
    upkeep?.endingSince = context.eventLoop.now
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.whenFailure { _ in self.close() }
    context.close(mode: .output, promise: promise)
  }
}
