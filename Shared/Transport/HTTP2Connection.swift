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
  /// Closed ones that nobody holds, for the next calls.
  @exclusivity(unchecked) private var spareStreams: ContiguousArray<HTTP2Stream> = []
  @exclusivity(unchecked) var context: ChannelHandlerContext?
  @exclusivity(unchecked) private var isReading = false
  /// The clocks when the input came that is being taken.
  @exclusivity(unchecked) private var inputTime: Int64 = 0
  @exclusivity(unchecked) private var arrived = ContinuousClock.Instant.now
  @exclusivity(unchecked) private var isFlushing = false
  @exclusivity(unchecked) private var isFlushScheduled = false
  /// Streams for which code runs, closed ones included.
  @exclusivity(unchecked) var working = 0
  @exclusivity(unchecked) public private(set) var openStreams = 0
  /// Unread bytes of all streams that do not count against the connection's window.
  @exclusivity(unchecked) var lentBytes = 0
  @exclusivity(unchecked) var counters = ConnectionCounters()
  /// There were streams, or bytes, since time was last looked at.
  @exclusivity(unchecked) var wasBusy = false
  @exclusivity(unchecked) var hasRead = false
  /// Time was looked at since the last streams, and nothing is kept for the next ones.
  var isResting = false

  public let executor: LoopExecutor
  public private(set) var remote = ConnectionPeer(address: "")  // Without an address until the connection is up.
  public var peer: String { remote.address }
  /// Why the peer has sent GOAWAY, if it has.
  public private(set) var peerGoAway: HTTP2ErrorCode?
  private var owner: (any ConnectionOwner)?
  let configuration: ConnectionConfiguration
  private let makeAcceptor: ((HTTP2Connection) -> any StreamAcceptor)?
  private var acceptor: (any StreamAcceptor)?
  var isServer: Bool { makeAcceptor != nil }

  /// What the TLS handshake found out, and when it began; nil without TLS. Set before the channel becomes active.
  var secured: (identity: PeerIdentity?, since: NIODeadline)?
  var securing: EventLoopFuture<Void>?  // A client's TLS handshake.
  private(set) var hasPeerSettings = false
  var isClosing = false
  var ending: Ending = .none
  var drainStep: DrainStep = .none
  /// What the passing of time has to do with this connection; nil before it is up.
  var upkeep: ConnectionUpkeep?
  private var watch: ConnectionWatch?
  /// Its place in `watch`.
  var watchPosition = 0

  /// How far the connection has come with closing itself in order.
  enum Ending {
    case none
    /// What is queued goes out; what comes in is thrown away.
    case flushing
    /// NIO has the last byte, the socket perhaps not.
    case written
    /// The peer has been sent all and the end of it. It closes next.
    case lingering
  }

  enum DrainStep: Comparable {
    case none
    case announced
    /// The peer knows, but requests that it had begun may still come.
    case seen
    /// The last stream has been named, or a client opens no more.
    case final
    /// The peer did what it must not.
    case givenUp
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
    hasRead = true
    watch?.hasRead()
    isReading = true
    inputTime = CoarseTime.milliseconds
    arrived = .now
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

  /// The clocks, read once for all calls of one input.
  var coarseTime: Int64 { isReading ? inputTime : CoarseTime.milliseconds }
  var inputInstant: ContinuousClock.Instant { isReading ? arrived : .now }

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
    guard watch == nil else { return }
    remote = ConnectionPeer(
      address: context.remoteAddress.map(HTTP2Connection.text) ?? "", isEncrypted: secured != nil,
      identity: secured?.identity)
    acceptor = makeAcceptor?(self)
    let now = context.eventLoop.now
    upkeep = ConnectionUpkeep(configuration, isServer: isServer, since: secured?.since ?? now, now: now)
    let watch = ConnectionWatch.of(context.eventLoop)
    watch.join(self)
    self.watch = watch
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
    watch?.leave(self)
    watch = nil
    releaseStreams()
    spareStreams = []
    acceptor = nil
    owner?.closed(self)
    owner = nil
  }

  func releaseStreams() {
    let live = streams
    streams.removeAll()
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
    case .ping: takePing()
    case .pingAcknowledged: if event.ping == .drain { drainPingAnswered() }
    case .goAway:
      peerGoAway = event.code
      isClosing = true
      owner?.goingAway(self)
      closeIfDrained()
    case .misbehaved: engine.terminate(.enhanceYourCalm)
    }
  }

  /// Those that have not closed.
  var openedStreams: [HTTP2Stream] { streams.compactMap(\.self) }

  private func stream(_ event: HTTP2Event) -> HTTP2Stream? { stream(event.slot) }

  func stream(_ slot: StreamSlot) -> HTTP2Stream? {
    let number = slot.number
    guard number < streams.count, let stream = streams[number], !stream.isReset else { return nil }
    return stream
  }

  private func takeHead(_ event: HTTP2Event) {
    wasBusy = true
    if let acceptor {
      guard mayAccept(event.slot) else { return engine.reset(event.slot, .refusedStream) }
      let stream = adopt(event.slot)
      stream.isPeerDone = event.isEnd
      let handler = acceptor.accept(stream)
      stream.handler = handler
      handler.received(headers: engine.headers(of: event), isEnd: event.isEnd)
    } else if let stream = stream(event) {
      stream.isPeerDone = event.isEnd
      stream.handler?.received(headers: engine.headers(of: event), isEnd: event.isEnd)
    }
  }

  private func mayAccept(_ slot: StreamSlot) -> Bool {
    guard working < configuration.http2.concurrentStreamsMax, !isCongested else { return false }
    return drainStep < .final || (drainStep == .final && engine.precedesGoAway(slot))
  }

  /// False when a server's answer is too much beside those that already wait. A client's requests have their callers'
  /// limits.
  func mayQueue(_ count: Int) -> Bool {
    let queued = engine.queuedBytes
    return queued == 0 || queued + count <= 2 * configuration.queuedBytesMax || !isServer
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
      stream.unreadBytes += range.count
      handler.received(data: input.readableBytesSpan.extracting(range), isEnd: event.isEnd)
      if stream.unreadBytes > stream.lentBytes, configuration.unreadBytesMax > 0 { lend(to: stream) }
    }
  }

  private func takeClosed(_ event: HTTP2Event) {
    let number = event.slot.number
    guard number < streams.count, var stream = streams[number] else { return }
    streams[number] = nil
    release(stream, closure(stream, event.code))
    if spareStreams.count < HTTP2Connection.spareStreamsMax, isKnownUniquelyReferenced(&stream) {
      spareStreams.append(stream)
    }
    owner?.streamClosed(self)
    closeIfDrained()
  }

  private func closure(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode) -> StreamClosure {
    if stream.isUnread { return .unread }
    if stream.isSelfDone && stream.isPeerDone && code == .noError { return .finished }
    return code == .refusedStream && !stream.isReset ? .refused : .reset(code)
  }

  private func release(_ stream: HTTP2Stream, _ reason: StreamClosure) {
    openStreams -= 1
    counters.streamEnded(reason)
    wasBusy = true
    stream.isConnected = false
    let handler = stream.handler
    stream.handler = nil
    handler?.closed(reason)
  }

  private func adopt(_ slot: StreamSlot) -> HTTP2Stream {
    let stream: HTTP2Stream
    if let spare = spareStreams.popLast() {
      spare.begin(slot)
      stream = spare
    } else {
      stream = HTTP2Stream(connection: self, slot: slot)
    }
    while streams.count <= slot.number { streams.append(nil) }
    streams[slot.number] = stream
    openStreams += 1
    counters.streamBegan(at: coarseTime)
    return stream
  }

  /// What a connection keeps of them.
  private static let spareStreamsMax = 32

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

  func flush() {
    guard let context, let watch, !isFlushing, ending == .none || ending == .flushing else { return }
    isFlushing = true
    var output = watch.takeBuffer()
    let isDone = write(to: context, from: &output)
    watch.giveBack(&output)
    isFlushing = false
    if !isDone { scheduleFlush() }
  }

  /// False when there may be more to write later in this turn of the loop.
  private func write(to context: ChannelHandlerContext, from output: inout ByteBuffer) -> Bool {
    for _ in 0..<ConnectionConfiguration.flushRoundsMax {
      guard context.channel.isWritable else { return true }
      output.clear()
      do {
        try engine.drain(into: &output, limit: ConnectionConfiguration.writeBytesMax)
      } catch {
        close()
        return true
      }
      let written = output.readableBytes
      if written > 0 { context.writeAndFlush(wrapOutboundOut(output), promise: nil) }
      let hadEvents = engine.eventCount > 0
      takeEvents(nil)
      guard engine.isAlive else {
        endOutput(context)
        return true
      }
      if written == 0 && !hadEvents {
        if ending == .flushing { endOutput(context) }
        return true
      }
    }
    return false
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

  /// How late what is being read is come to, because the event loop has fallen behind; else zero.
  var lag: Duration { watch?.lag ?? .zero }

  /// Whether nine tenths of the streams that the peer may have are taken by calls whose work has not ended.
  var isNearlyFull: Bool { working * 10 >= configuration.http2.concurrentStreamsMax * 9 }

  func stopOpening() {
    guard !isClosing else { return }
    isClosing = true
    owner?.goingAway(self)
  }

  func workEnded() {
    closeIfDrained()
  }

  /// Gives back the memory that was kept for the next streams; ten thousand idle connections would keep megabytes.
  func rest() {
    guard openStreams == 0 else { return }
    streams = []
    spareStreams = []
    engine.rest()
    acceptor?.rest()
  }
}
