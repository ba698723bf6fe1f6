public import HTTP2
public import NIOCore

/// What the owner of a connection is told about it, on its event loop.
public protocol ConnectionOwner: AnyObject {
  /// The peer's SETTINGS arrived, for the first or a later time.
  func settingsChanged(_ connection: HTTP2Connection)
  /// A stream of this connection is over, so another may be opened.
  func streamClosed(_ connection: HTTP2Connection)
  /// No further stream can be opened.
  func goingAway(_ connection: HTTP2Connection)
  /// All streams have been told.
  func closed(_ connection: HTTP2Connection)
}

/// An HTTP/2 connection in a channel: gives what is read to its engine, acts on the events, writes what is queued.
///
/// One write per batch of reads: while the loop reads, answers gather in the engine; `channelReadComplete` writes
/// them all. An answer that comes later is written on the loop's next turn, together with its neighbours'.
public final class HTTP2Connection: ChannelInboundHandler, @unchecked Sendable {  // Touched on its event loop only.
  public typealias InboundIn = ByteBuffer
  public typealias OutboundOut = ByteBuffer

  // Exclusive access is guaranteed by the event loop, and checking it showed in profiles.
  @exclusivity(unchecked) let engine: HTTP2Engine
  @exclusivity(unchecked) private var streams: ContiguousArray<HTTP2Stream?> = []
  @exclusivity(unchecked) private var context: ChannelHandlerContext?
  @exclusivity(unchecked) private var output = ByteBuffer()
  @exclusivity(unchecked) private var isReading = false
  @exclusivity(unchecked) private var isFlushing = false
  @exclusivity(unchecked) private var isFlushScheduled = false
  /// Answered streams whose peer still sends. nghttp2 drops an answer that is queued when its stream is reset.
  @exclusivity(unchecked) var resetsToSend: [HTTP2Stream] = []
  /// Streams for which code runs, closed ones included.
  @exclusivity(unchecked) var working = 0
  @exclusivity(unchecked) public private(set) var openStreams = 0

  public let executor: LoopExecutor
  public private(set) var remote = ConnectionPeer(address: "")  // Without an address until the connection is up.
  public var peer: String { remote.address }
  private var owner: (any ConnectionOwner)?
  private let configuration: ConnectionConfiguration
  private let makeAcceptor: ((HTTP2Connection) -> any StreamAcceptor)?
  private var acceptor: (any StreamAcceptor)?

  /// What the TLS handshake found out, and when it began; nil without TLS. Set before the channel becomes active.
  var secured: (identity: PeerIdentity?, since: NIODeadline)?
  var securing: EventLoopFuture<Void>?  // A client's TLS handshake.
  private var hasPeerSettings = false
  private var isClosing = false
  private var ending: Ending = .none
  private var endingStarted = NIODeadline.now()
  private var drainPing: DrainStep = .none
  private var watch: RepeatedTask?
  private var drainStarted = NIODeadline.now()
  private var isStalled = false
  private var stallStarted = NIODeadline.now()
  private var lastActivity = NIODeadline.now()

  /// How far the connection has come with closing itself in order.
  private enum Ending {
    case none
    /// What is queued goes out; what comes in is thrown away.
    case flushing
    /// NIO has the last byte, the socket perhaps not.
    case written
    /// The peer has been sent all and the end of it. It closes next.
    case lingering
  }

  private enum DrainStep {
    case none
    case announced
    case final
  }

  /// A server's end: `makeAcceptor` is asked once, when the connection is up.
  public init(
    eventLoop: any EventLoop, configuration: ConnectionConfiguration,
    makeAcceptor: @escaping @Sendable (HTTP2Connection) -> any StreamAcceptor
  ) throws(HTTP2Failure) {
    engine = try HTTP2Engine(role: .server, settings: configuration.http2)
    executor = LoopExecutor(eventLoop)
    self.configuration = configuration
    self.makeAcceptor = makeAcceptor
  }

  /// A client's end.
  public init(eventLoop: any EventLoop, configuration: ConnectionConfiguration) throws(HTTP2Failure) {
    engine = try HTTP2Engine(role: .client, settings: configuration.http2)
    executor = LoopExecutor(eventLoop)
    self.configuration = configuration
    makeAcceptor = nil
  }

  /// Makes `owner` the one who is told, of what has happened already too, until the connection has closed.
  public func belong(to owner: any ConnectionOwner) {
    guard context != nil else { return owner.closed(self) }
    self.owner = owner
    if hasPeerSettings { owner.settingsChanged(self) }
    if isClosing { owner.goingAway(self) }
  }

  // MARK: The channel

  public func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    if context.channel.isActive { begin(context) }
  }

  public func channelActive(context: ChannelHandlerContext) {
    begin(context)
    context.fireChannelActive()
  }

  public func handlerRemoved(context: ChannelHandlerContext) {
    end()
  }

  public func channelInactive(context: ChannelHandlerContext) {
    end()
    context.fireChannelInactive()
  }

  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard ending == .none else { return }  // Read all the same: unread bytes would turn the close into a reset.
    let input = unwrapInboundIn(data)
    isReading = true
    do {
      try engine.receive(input)
    } catch {
      // nghttp2 has queued a GOAWAY if it could name the mistake; bytes that are no HTTP/2 at all get nothing.
      isReading = false
      takeEvents(input)
      return closeAfterWrites()
    }
    takeEvents(input)
  }

  public func channelReadComplete(context: ChannelHandlerContext) {
    acceptor?.readEnded()
    isReading = false
    flush()
    context.fireChannelReadComplete()
  }

  public func channelWritabilityChanged(context: ChannelHandlerContext) {
    if context.channel.isWritable { scheduleFlush() }
    context.fireChannelWritabilityChanged()
  }

  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    close()
  }

  private func begin(_ context: ChannelHandlerContext) {
    guard acceptor == nil, watch == nil else { return }
    remote = ConnectionPeer(
      address: context.remoteAddress.map(HTTP2Connection.text) ?? "", isEncrypted: secured != nil,
      identity: secured?.identity)
    acceptor = makeAcceptor?(self)
    lastActivity = .now()
    let started = secured?.since ?? NIODeadline.now()
    watch = context.eventLoop.scheduleRepeatedTask(
      initialDelay: ConnectionConfiguration.watchPeriod, delay: ConnectionConfiguration.watchPeriod
    ) { [weak self] _ in self?.look(since: started) }
    scheduleFlush()
  }

  static func text(_ address: SocketAddress) -> String {
    "\(address.ipAddress ?? "unix"):\(address.port ?? 0)"
  }

  /// The connection is gone. nghttp2 tells nobody in this case, so every live stream is told here.
  private func end() {
    guard context != nil else { return }
    context = nil
    isClosing = true
    watch?.cancel()
    watch = nil
    releaseStreams()
    acceptor = nil
    owner?.closed(self)
    owner = nil
  }

  private func releaseStreams() {
    let live = streams
    streams.removeAll()
    resetsToSend.removeAll()
    for stream in live {
      guard let stream else { continue }
      release(stream, .connectionLost)
    }
  }

  /// Closes the channel without waiting for anything.
  public func close() {
    context?.close(promise: nil)
  }

  // MARK: Events

  private func takeEvents(_ input: ByteBuffer?) {
    guard engine.eventCount > 0 else { return }
    var position = 0
    while position < engine.eventCount {
      take(engine.event(at: position), input)
      position += 1
    }
    engine.clearEvents()
  }

  private func take(_ event: HTTP2Event, _ input: ByteBuffer?) {
    switch event.kind {
    case .head: takeHead(event)
    case .oversizedHead: takeOversizedHead(event)
    case .trailers:
      guard let stream = stream(event) else { return }
      stream.isPeerDone = true
      stream.handler?.received(trailers: engine.headers(of: event))
    case .oversizedTrailers:
      guard let stream = stream(event) else { return }
      stream.isPeerDone = true
      stream.handler?.receivedOversizedHeaders(isEnd: true)
    case .data:
      guard let input else { return }
      takeData(event, input)
    case .drained: stream(event)?.handler?.drained()
    case .closed: takeClosed(event)
    case .settings:
      hasPeerSettings = true
      owner?.settingsChanged(self)
    case .pingAcknowledged:
      if drainPing == .announced { endDrain() }
    case .goAway:
      isClosing = true
      owner?.goingAway(self)
      closeIfDrained()
    case .misbehaved: engine.terminate(.enhanceYourCalm)
    }
  }

  private func stream(_ event: HTTP2Event) -> HTTP2Stream? {
    let number = event.slot.number
    guard number < streams.count, let stream = streams[number], !stream.isReset else { return nil }
    return stream
  }

  private func takeHead(_ event: HTTP2Event) {
    lastActivity = .now()
    if let acceptor {
      guard mayAccept else { return engine.reset(event.slot, .refusedStream) }
      let stream = adopt(event.slot)
      stream.isPeerDone = event.isEnd
      stream.handler = acceptor.accept(stream)
      stream.handler?.received(headers: engine.headers(of: event), isEnd: event.isEnd)
    } else if let stream = stream(event) {
      stream.isPeerDone = event.isEnd
      stream.handler?.received(headers: engine.headers(of: event), isEnd: event.isEnd)
    }
  }

  private var mayAccept: Bool {
    drainPing != .final && working < configuration.http2.concurrentStreamsMax
      && engine.queuedBytes <= configuration.queuedBytesMax
  }

  private func takeOversizedHead(_ event: HTTP2Event) {
    if let acceptor {
      let stream = adopt(event.slot)
      stream.isPeerDone = event.isEnd
      stream.handler = acceptor.accept(stream)
      stream.handler?.receivedOversizedHeaders(isEnd: event.isEnd)
    } else if let stream = stream(event) {
      stream.handler?.receivedOversizedHeaders(isEnd: event.isEnd)
    }
  }

  private func takeData(_ event: HTTP2Event, _ input: ByteBuffer) {
    let range = event.dataRange
    guard let stream = stream(event), let handler = stream.handler else {
      // Nobody wants it; without this the whole connection would run out of window.
      return engine.consume(event.slot, range.count)
    }
    stream.isPeerDone = event.isEnd
    if range.isEmpty {
      handler.received(data: RawSpan(), isEnd: event.isEnd)
    } else {
      handler.received(data: input.readableBytesSpan.extracting(range), isEnd: event.isEnd)
    }
  }

  private func takeClosed(_ event: HTTP2Event) {
    let number = event.slot.number
    guard number < streams.count, let stream = streams[number] else { return }
    streams[number] = nil
    release(stream, closure(stream, event.code))
    owner?.streamClosed(self)
    closeIfDrained()
  }

  private func closure(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) -> StreamClosure {
    if stream.isSelfDone && stream.isPeerDone && code == .noError { return .finished }
    return code == .refusedStream && !stream.isReset ? .refused : .reset(code)
  }

  private func release(_ stream: HTTP2Stream, _ reason: StreamClosure) {
    openStreams -= 1
    lastActivity = .now()
    stream.connection = nil
    let handler = stream.handler
    stream.handler = nil
    handler?.closed(reason)
  }

  private func adopt(_ slot: StreamSlot) -> HTTP2Stream {
    let stream = HTTP2Stream(connection: self, slot: slot)
    while streams.count <= slot.number { streams.append(nil) }
    streams[slot.number] = stream
    openStreams += 1
    return stream
  }

  // MARK: Writing

  /// Has queued bytes written with the current batch of reads, or else on the loop's next turn.
  func scheduleFlush() {
    guard !isReading, !isFlushing, !isFlushScheduled, context != nil else { return }
    isFlushScheduled = true
    executor.eventLoop.execute {
      self.isFlushScheduled = false
      self.flush()
    }
  }

  private func flush() {
    guard let context, !isFlushing, ending == .none || ending == .flushing else { return }
    isFlushing = true
    defer { isFlushing = false }
    for _ in 0..<ConnectionConfiguration.flushRoundsMax {
      guard context.channel.isWritable else { return }
      output.clear()
      do {
        try engine.drain(into: &output, limit: ConnectionConfiguration.writeBytesMax)
      } catch {
        return close()
      }
      let written = output.readableBytes
      if written > 0 {
        context.writeAndFlush(wrapOutboundOut(output), promise: nil)
        isStalled = false
      }
      let hadEvents = engine.eventCount > 0
      takeEvents(nil)
      guard engine.isAlive else { return endOutput(context) }
      if written == 0 && !hadEvents {
        guard sendResets() else {
          if ending == .flushing { endOutput(context) }
          return
        }
      }
    }
    isFlushing = false
    scheduleFlush()
  }

  /// Resets the answered streams whose answer is out; false if there is none.
  private func sendResets() -> Bool {
    let waiting = resetsToSend
    resetsToSend = waiting.filter { $0.isOpen && !engine.isAnswerOut($0.slot) }
    guard resetsToSend.count < waiting.count else { return false }
    for stream in waiting where stream.isOpen && engine.isAnswerOut(stream.slot) { stream.reset(.noError) }
    return true
  }

  /// True while more answers wait to be sent than the connection should hold.
  var isCongested: Bool { engine.queuedBytes > configuration.queuedBytesMax }

  // MARK: Client

  /// True while a stream can be opened at once.
  public var mayOpen: Bool {
    hasPeerSettings && !isClosing && context != nil && openStreams < engine.peerConcurrentStreamsMax
  }

  /// True if no stream will ever be opened here again.
  public var isDone: Bool { isClosing || context == nil }

  /// Opens a stream whose answer `handler` gets. With `body` the request is complete; nil leaves it open.
  public func open(
    _ headers: HeaderList, body: [UInt8]?, handler: any StreamHandler
  ) throws -> HTTP2Stream {
    guard mayOpen else { throw TransportFailure.connectionClosed }
    let slot: StreamSlot
    do {
      slot = try engine.open(headers, isEnd: false)
    } catch .streamsExhausted {
      isClosing = true
      owner?.goingAway(self)
      throw TransportFailure.connectionClosed
    }
    let stream = adopt(slot)
    stream.handler = handler
    if let body {
      stream.send(body)
      stream.finish()
    }
    scheduleFlush()
    return stream
  }

  // MARK: Ending

  /// Lets the peer finish: GOAWAY with the highest id, a PING to know that it was seen, GOAWAY with the last id, and
  /// the end of the connection with the end of its last stream.
  public func drain() {
    guard drainPing == .none, context != nil else { return }
    isClosing = true
    guard makeAcceptor != nil else {
      drainPing = .final
      engine.goAway(.noError)
      scheduleFlush()
      return closeIfDrained()
    }
    drainPing = .announced
    drainStarted = .now()
    engine.announceGoAway()
    engine.ping()
    scheduleFlush()
  }

  /// Takes no further stream: the peer has seen the announcement, or had time enough to.
  private func endDrain() {
    drainPing = .final
    engine.goAway(.noError)
    scheduleFlush()
    closeIfDrained()
  }

  private func closeIfDrained() {
    let isOver = drainPing == .final || (isClosing && makeAcceptor == nil)
    guard isOver, openStreams == 0, working == 0 else { return }
    executor.eventLoop.execute { self.closeAfterWrites() }  // nghttp2 or a handler may be calling.
  }

  /// Closes the channel once the peer has been sent everything. A stream counts as closed when its last byte leaves
  /// the engine, while NIO and the socket may hold megabytes before that byte.
  private func closeAfterWrites() {
    guard context != nil, ending == .none else { return }
    ending = .flushing
    stopOpening()
    flush()
  }

  private func stopOpening() {
    guard !isClosing else { return }
    isClosing = true
    owner?.goingAway(self)
  }

  /// The engine has nothing left to write: waits until NIO has none either.
  private func endOutput(_ context: ChannelHandlerContext) {
    ending = .written
    endingStarted = .now()
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
    endingStarted = .now()
    let promise = context.eventLoop.makePromise(of: Void.self)
    promise.futureResult.whenFailure { _ in self.close() }
    context.close(mode: .output, promise: promise)
  }

  func workEnded() {
    closeIfDrained()
  }

  /// The periodic look at what no event announces.
  private func look(since started: NIODeadline) {
    guard let context else { return }
    let now = NIODeadline.now()
    engine.forgetOddFrames()
    // A peer that is busy or far away still gets its answers; whoever ordered the drain bounds it.
    if drainPing == .announced, now - drainStarted >= configuration.handshakeTimeout { endDrain() }
    if !hasPeerSettings, now - started >= configuration.handshakeTimeout { return close() }
    switch ending {
    case .none, .flushing: break
    case .written: if now - endingStarted >= configuration.writeStallTimeout { return close() }
    case .lingering: if now - endingStarted >= ConnectionConfiguration.lingerTime { return close() }
    }
    if !context.channel.isWritable {
      if isStalled, now - stallStarted >= configuration.writeStallTimeout { return close() }
      if !isStalled {
        isStalled = true
        stallStarted = now
      }
    }
    if let idle = configuration.idleTimeout, openStreams == 0, working == 0, now - lastActivity >= idle { drain() }
  }
}
