internal import HTTP2
internal import NIOCore

/// What a connection keeps to notice that time has passed.
struct ConnectionUpkeep {
  /// When the connection was made, TLS included.
  let started: NIODeadline
  var drainStarted: NIODeadline
  var endingSince: NIODeadline
  fileprivate var idleSince: NIODeadline
  fileprivate var oddFramesSince: NIODeadline
  /// The block of header fields that was found incomplete, and when.
  fileprivate var slowBlock: (number: UInt32, since: NIODeadline)?
  /// What NIO held when it was found not to get rid of it, and when.
  fileprivate var stalledWrite: (bytes: Int, since: NIODeadline)?
  fileprivate var keepalive: Keepalive?
  fileprivate var strikes = PingStrikes()
  /// When the connection is too old, and when it may no longer be used at all.
  fileprivate var agedAt: NIODeadline?
  fileprivate var overdueAt: NIODeadline?

  init(_ configuration: ConnectionConfiguration, isServer: Bool, since: NIODeadline, now: NIODeadline) {
    started = since
    drainStarted = now
    endingSince = now
    idleSince = now
    oddFramesSince = now
    keepalive = configuration.keepalive.map { Keepalive($0, now: now) }
    guard isServer, let age = configuration.connectionAgeMax else { return }
    let jitter = ConnectionConfiguration.ageJitter
    let share = Double.random(in: 1 - jitter...1 + jitter)
    agedAt = now + .nanoseconds(Int64(Double(age.nanoseconds) * share))
  }
}

extension HTTP2Connection {
  /// The periodic look at what no event announces.
  func look(_ now: NIODeadline) {
    guard let context, upkeep != nil else { return }
    if isOverdue(now) || isWriteStalled(context, now) { return close() }
    forgetOddFrames(now)
    guard ending == .none else { return }
    // A peer that is busy or far away still gets its answers; whoever ordered the drain bounds it.
    if isDrainUnanswered(now) { nameLastStream() }
    resetStalledStreams(now)
    endUnreadStreams(now)
    if isBlockSlow(now) { return giveUp(.enhanceYourCalm, "headers_too_slow") }
    keepAlive(now)
    endIfOld(now)
    drainIfIdle(now)
  }

  private func isDrainUnanswered(_ now: NIODeadline) -> Bool {
    guard let upkeep, drainStep == .announced || drainStep == .seen else { return false }
    return now - upkeep.drainStarted >= configuration.handshakeTimeout
  }

  private func isOverdue(_ now: NIODeadline) -> Bool {
    guard let upkeep else { return false }
    if !hasPeerSettings, now - upkeep.started >= configuration.handshakeTimeout { return true }
    switch ending {
    case .none, .flushing: break
    case .written: if now - upkeep.endingSince >= configuration.writeStallTimeout { return true }
    case .lingering: if now - upkeep.endingSince >= ConnectionConfiguration.lingerTime { return true }
    }
    return upkeep.overdueAt.map { now >= $0 } ?? false
  }

  /// True if NIO gets rid of nothing. While it is not writable it is given nothing either, so that what it holds can
  /// only become less.
  private func isWriteStalled(_ context: ChannelHandlerContext, _ now: NIODeadline) -> Bool {
    guard !context.channel.isWritable else {
      upkeep?.stalledWrite = nil
      return false
    }
    let held = (try? context.channel.syncOptions?.getOption(.bufferedWritableBytes)) ?? 0
    guard let stalled = upkeep?.stalledWrite, held >= stalled.bytes else {
      upkeep?.stalledWrite = (held, now)
      return false
    }
    return now - stalled.since >= configuration.writeStallTimeout
  }

  private func forgetOddFrames(_ now: NIODeadline) {
    guard let since = upkeep?.oddFramesSince, now - since >= ConnectionConfiguration.oddFramesPeriod else { return }
    upkeep?.oddFramesSince = now
    engine.forgetOddFrames()
  }

  /// A handler or an answer that waits for a window that does not open keeps memory and a place for nothing.
  private func resetStalledStreams(_ now: NIODeadline) {
    guard isServer else { return }
    let limit = UInt64(clamping: configuration.writeStallTimeout.nanoseconds)
    for slot in engine.stalledStreams(now: now.uptimeNanoseconds, limit: limit) {
      stream(slot)?.reset(.enhanceYourCalm)
    }
  }

  private func isBlockSlow(_ now: NIODeadline) -> Bool {
    guard engine.isReadingHeaders else {
      upkeep?.slowBlock = nil
      return false
    }
    let number = engine.blocksBegun
    guard let slow = upkeep?.slowBlock, slow.number == number else {
      upkeep?.slowBlock = (number, now)
      return false
    }
    return now - slow.since >= configuration.headerBlockTimeout
  }

  private func keepAlive(_ now: NIODeadline) {
    let action = upkeep?.keepalive?.look(now: now, hasRead: hasRead, isBusy: openStreams > 0)
    hasRead = false
    switch action {
    case .ping:
      counters.keepalivesSent &+= 1
      engine.ping(.keepalive)
      scheduleFlush()
    case .giveUp: close()
    case .some(.none), nil: break
    }
  }

  private func endIfOld(_ now: NIODeadline) {
    guard let agedAt = upkeep?.agedAt, now >= agedAt else { return }
    upkeep?.agedAt = nil
    upkeep?.overdueAt = configuration.connectionAgeGrace.map { now + $0 }
    drain()
  }

  private func drainIfIdle(_ now: NIODeadline) {
    if openStreams > 0 || working > 0 || wasBusy {
      wasBusy = false
      isResting = false
      upkeep?.idleSince = now
    } else if !isResting {
      isResting = true
      rest()
    }
    guard let idle = configuration.idleTimeout, let since = upkeep?.idleSince, now - since >= idle else { return }
    drain()
  }

  /// The peer has sent a PING, which nghttp2 answers.
  func takePing() {
    guard isServer, let policy = configuration.pingPolicy, let context else { return }
    let hasSent = engine.hasSentOnStreams
    engine.hasSentOnStreams = false
    let mayPing = upkeep?.strikes.mayPing(
      now: context.eventLoop.now, hasSent: hasSent, isBusy: openStreams > 0, policy)
    if mayPing == false { giveUp(.enhanceYourCalm, "too_many_pings") }
  }
}
