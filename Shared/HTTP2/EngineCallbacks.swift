internal import CNghttp2

/// What nghttp2 calls. Every function here records what happened, and does nothing else.
///
/// The session's user data is its engine, unretained, because the engine owns the session. A stream's user data is
/// its slot plus one.
final class EngineCallbacks: @unchecked Sendable {  // The table is written in `init` and only read afterwards.
  static let shared = EngineCallbacks()

  let table: OpaquePointer?

  private init() {
    var table: OpaquePointer?
    nghttp2_session_callbacks_new(&table)
    nghttp2_session_callbacks_set_on_begin_headers_callback(table, onBeginHeaders)
    nghttp2_session_callbacks_set_on_header_callback2(table, onHeader)
    nghttp2_session_callbacks_set_on_frame_recv_callback(table, onFrame)
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table, onData)
    nghttp2_session_callbacks_set_on_stream_close_callback(table, onStreamClose)
    nghttp2_session_callbacks_set_on_frame_send_callback(table, onFrameSent)
    nghttp2_session_callbacks_set_on_frame_not_send_callback(table, onFrameNotSent)
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(table, onInvalidFrame)
    nghttp2_session_callbacks_set_send_data_callback(table, sendData)
    self.table = table
  }

  static let readBody: nghttp2_data_source_read_callback = { _, id, _, capacity, flags, source, userData in
    Int(
      withEngine(userData) { engine in
        guard let slot = slot(source?.pointee.ptr), let flags else { return giveUp }
        return engine.readBody(slot, id: id, capacity, flags: flags)
      })
  }

  /// Takes no reference to the engine: it owns the session that is calling, and there are thirty callbacks in a call.
  @inline(__always)
  fileprivate static func withEngine(
    _ userData: UnsafeMutableRawPointer?, _ record: (HTTP2Engine) -> Int32
  ) -> Int32 {
    guard let userData else { return giveUp }
    return Unmanaged<HTTP2Engine>.fromOpaque(userData)._withUnsafeGuaranteedRef(record)
  }

  fileprivate static func slot(_ stored: UnsafeMutableRawPointer?) -> Int32? {
    stored.map { Int32(truncatingIfNeeded: Int(bitPattern: $0) - 1) }
  }
}

private let carryOn: Int32 = 0
private let giveUp = Int32(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue)
private let refuseStream = Int32(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue)
private let endStream = UInt8(NGHTTP2_FLAG_END_STREAM.rawValue)
private let acknowledged = UInt8(NGHTTP2_FLAG_ACK.rawValue)

private func slot(of id: Int32, in session: OpaquePointer?) -> Int32? {
  EngineCallbacks.slot(nghttp2_session_get_stream_user_data(session, id))
}

private let onBeginHeaders: nghttp2_on_begin_headers_callback = { session, frame, userData in
  EngineCallbacks.withEngine(userData) { engine in
    guard let frame else { return giveUp }
    engine.block.begin()
    if engine.role == .server, frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST {
      let id = frame.pointee.hd.stream_id
      let slot = engine.takeSlot()
      engine.streams[Int(slot)].id = id
      nghttp2_session_set_stream_user_data(session, id, UnsafeMutableRawPointer(bitPattern: Int(slot) + 1))
    }
    return carryOn
  }
}

private let onHeader: nghttp2_on_header_callback2 = { _, _, name, value, _, userData in
  EngineCallbacks.withEngine(userData) { engine in
    guard let name, let value else { return giveUp }
    return engine.block.append(name, value, engine.settings) ? carryOn : refuseStream
  }
}

private let onFrame: nghttp2_on_frame_recv_callback = { session, frame, userData in
  EngineCallbacks.withEngine(userData) { engine in
    guard let frame else { return giveUp }
    let header = frame.pointee.hd
    switch nghttp2_frame_type(UInt32(header.type)) {
    case NGHTTP2_HEADERS:
      guard let slot = slot(of: header.stream_id, in: session) else { return carryOn }
      let isRequest = frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST
      engine.recordHeaders(slot, isRequest: isRequest, isEnd: header.flags & endStream != 0)
    case NGHTTP2_DATA:
      guard let slot = slot(of: header.stream_id, in: session) else { return carryOn }
      if header.flags & endStream != 0 {
        engine.recordEndOfData(slot)
      } else if header.length <= frame.pointee.data.padlen {  // Both count the byte that says how much padding.
        engine.recordOddFrame()
      }
    case NGHTTP2_SETTINGS:
      if header.flags & acknowledged == 0 { engine.events.append(HTTP2Event(.settings)) }
    case NGHTTP2_PING:
      engine.recordPing(frame.pointee.ping)
    case NGHTTP2_GOAWAY:
      var event = HTTP2Event(.goAway)
      event.code = HTTP2ErrorCode(rawValue: frame.pointee.goaway.error_code)
      engine.events.append(event)
    default:
      break
    }
    return carryOn
  }
}

private let onData: nghttp2_on_data_chunk_recv_callback = { session, _, id, data, count, userData in
  EngineCallbacks.withEngine(userData) { engine in
    guard let data, let base = engine.inputBase else { return giveUp }
    if let slot = slot(of: id, in: session) {
      var event = HTTP2Event(.data, slot: slot)
      event.first = Int32(clamping: UnsafeRawPointer(data) - base)
      event.count = Int32(clamping: count)
      engine.events.append(event)
    }
    return carryOn
  }
}

private let onStreamClose: nghttp2_on_stream_close_callback = { session, id, code, userData in
  EngineCallbacks.withEngine(userData) { engine in
    if let slot = slot(of: id, in: session) {
      var event = HTTP2Event(.closed, slot: slot)
      event.code = engine.streams[Int(slot)].isUnsent ? .refusedStream : HTTP2ErrorCode(rawValue: code)
      engine.events.append(event)
    }
    return carryOn
  }
}

private let onFrameSent: nghttp2_on_frame_send_callback = { session, frame, userData in
  EngineCallbacks.withEngine(userData) { engine in
    guard let frame else { return giveUp }
    let header = frame.pointee.hd
    switch nghttp2_frame_type(UInt32(header.type)) {
    case NGHTTP2_DATA, NGHTTP2_HEADERS:
      engine.hasSentOnStreams = true
      if header.flags & endStream != 0, let slot = slot(of: header.stream_id, in: session) {
        engine.recordEndSent(slot, isPeerDone: nghttp2_session_get_stream_remote_close(session, header.stream_id) == 1)
      }
    case NGHTTP2_RST_STREAM:
      engine.recordResetSent(slot(of: header.stream_id, in: session), id: header.stream_id)
    default: break
    }
    return carryOn
  }
}

private let onFrameNotSent: nghttp2_on_frame_not_send_callback = { session, frame, _, userData in
  EngineCallbacks.withEngine(userData) { engine in
    guard let frame else { return giveUp }
    let id = frame.pointee.hd.stream_id
    guard frame.pointee.hd.type == UInt8(NGHTTP2_HEADERS.rawValue), engine.role == .client,
      frame.pointee.headers.cat == NGHTTP2_HCAT_REQUEST,
      let slot = engine.streams.firstIndex(where: { $0.id == id })
    else { return carryOn }
    engine.streams[slot].isUnsent = true
    if nghttp2_session_find_stream(session, id) == nil {  // Then nghttp2 will not say that it closed.
      var event = HTTP2Event(.closed, slot: Int32(slot))
      event.code = .refusedStream
      engine.events.append(event)
    }
    return carryOn
  }
}

private let onInvalidFrame: nghttp2_on_invalid_frame_recv_callback = { _, frame, code, userData in
  EngineCallbacks.withEngine(userData) { engine in
    guard let frame else { return giveUp }
    // A refused stream never exists, and its data is right behind its head.
    if code == Int32(NGHTTP2_ERR_REFUSED_STREAM.rawValue) { engine.clientFrames.forsake(frame.pointee.hd.stream_id) }
    engine.recordOddFrame()
    return carryOn
  }
}

private let sendData: nghttp2_send_data_callback = { _, _, header, length, source, userData in
  EngineCallbacks.withEngine(userData) { engine in
    guard let slot = EngineCallbacks.slot(source?.pointee.ptr), let header else { return giveUp }
    return engine.writeData(slot, header, length) ? carryOn : Int32(NGHTTP2_ERR_WOULDBLOCK.rawValue)
  }
}

extension HTTP2Engine {
  fileprivate func recordHeaders(_ slot: Int32, isRequest: Bool, isEnd: Bool) {
    block.end()
    let isHead = isRequest || (role == .client && !streams[Int(slot)].hasHead)
    if isHead, role == .client {
      guard !block.isInterim else { return block.discard() }
      streams[Int(slot)].hasHead = true
    }
    let kind: HTTP2Event.Kind =
      switch (isHead, block.isOversized) {
      case (true, false): .head
      case (true, true): .oversizedHead
      case (false, false): .trailers
      case (false, true): .oversizedTrailers
      }
    var event = HTTP2Event(kind, slot: slot)
    block.finish(&event)
    event.isEnd = isEnd
    events.append(event)
  }

  fileprivate func recordEndOfData(_ slot: Int32) {
    if let last = events.indices.last, events[last].kind == .data, events[last].slot.index == slot {
      events[last].isEnd = true
    } else {
      var event = HTTP2Event(.data, slot: slot)
      event.isEnd = true
      events.append(event)
    }
  }

  fileprivate func recordPing(_ ping: nghttp2_ping) {
    let isAnswer = ping.hd.flags & acknowledged != 0
    var event = HTTP2Event(isAnswer ? .pingAcknowledged : .ping)
    if isAnswer {
      let purpose = withUnsafeBytes(of: ping.opaque_data) { HTTP2Ping($0) }
      event.first = Int32(purpose?.rawValue ?? 0)
    }
    events.append(event)
  }

  fileprivate func recordEndSent(_ slot: Int32, isPeerDone: Bool) {
    streams[Int(slot)].hasSentEnd = true
    if streams[Int(slot)].stopsPeer, !isPeerDone { reset(StreamSlot(index: slot), .noError) }
  }

  /// A reset that nobody here asked for was provoked by the peer (CVE-2025-8671, "MadeYouReset"): it frees the peer's
  /// place among the open streams while the handler still runs.
  fileprivate func recordResetSent(_ slot: Int32?, id: Int32) {
    guard role == .server else { return }
    clientFrames.forsake(id)
    if let slot, streams[Int(slot)].isResetHere { return }
    recordOddFrame()
  }

  func recordOddFrame() {
    oddFrames += 1
    if oddFrames == settings.oddFramesMax { events.append(HTTP2Event(.misbehaved)) }
  }

  /// Says how much of what is queued the next DATA frame carries; `writeData` comes with the same stream next.
  fileprivate func readBody(_ slot: Int32, id: Int32, _ capacity: Int, flags: UnsafeMutablePointer<UInt32>) -> Int32 {
    let count = streams[Int(slot)].handOut(min(capacity, Int(Int32.max)))
    queuedBytes -= count
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    guard streams[Int(slot)].isDrained else { return Int32(count) }
    guard streams[Int(slot)].isFinished else {
      if count > 0 {
        events.append(HTTP2Event(.drained, slot: slot))
        return Int32(count)
      }
      streams[Int(slot)].isDeferred = true
      return Int32(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
    if submitTrailers(streams[Int(slot)].trailers, id: id) {
      flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
    }
    return Int32(count)
  }

  /// Writes a DATA frame; false if there is no room for it now.
  fileprivate func writeData(_ slot: Int32, _ header: UnsafePointer<UInt8>, _ length: Int) -> Bool {
    guard output.isRoomy else { return false }
    output.write(UnsafeRawBufferPointer(start: header, count: FrameScanner.headerBytes))
    streams[Int(slot)].copy(to: output.take(length))
    return true
  }
}
