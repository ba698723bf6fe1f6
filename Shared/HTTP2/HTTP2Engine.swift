internal import CNghttp2
public import NIOCore

/// One connection's HTTP/2, as an engine: bytes in, events out, bytes to write. It never sees a socket.
///
/// `receive` hands nghttp2 some input, after which the caller takes the events one by one and acts on them; what
/// that queued is fetched with `drain`, which may leave further events. nghttp2 must not be re-entered from its
/// own callbacks, so a callback only records (see `EngineCallbacks`).
///
/// Not Sendable: an engine belongs to the event loop of its connection.
public final class HTTP2Engine {
  public enum Role: Sendable {
    case server
    case client
  }

  // The fields below are read and written several times per call from C callbacks, where the compiler cannot prove
  // what it proves elsewhere and checks exclusive access at run time; those checks were a tenth of all time. Each
  // access is a single statement on one thread, and no callback runs during another access.
  @exclusivity(unchecked) var events: ContiguousArray<HTTP2Event> = []
  @exclusivity(unchecked) var streams: ContiguousArray<StreamRecord> = []
  @exclusivity(unchecked) var block = HeaderBlock()
  /// The start of the input that nghttp2 is reading, to turn its pointers into ranges.
  @exclusivity(unchecked) var inputBase: UnsafeRawPointer?
  /// Where `drain` is writing, and how far it has come.
  @exclusivity(unchecked) var output = OutputRoom()
  /// Bytes given to `send` and not yet handed out, on all streams.
  @exclusivity(unchecked) public internal(set) var queuedBytes = 0
  @exclusivity(unchecked) var oddFrames = 0
  /// HEADERS or DATA have gone out since this was last cleared.
  @exclusivity(unchecked) public var hasSentOnStreams = false
  @exclusivity(unchecked) var clientFrames = ClientFrames()
  private var isTooTalkative = false
  private var freeSlots: [Int32] = []

  public let role: Role
  let settings: HTTP2Settings
  private let session: OpaquePointer
  /// Where the session lives; freed after it.
  private let memory: UnsafeMutablePointer<mobo_session_memory>
  /// Header fields laid out for nghttp2, and the texts they point to; nghttp2 copies both during the call.
  private var entries: UnsafeMutableBufferPointer<nghttp2_nv>
  private var texts: UnsafeMutableBufferPointer<UInt8>

  /// Queues the connection preface, SETTINGS and the connection window.
  public init(role: Role, settings: HTTP2Settings = HTTP2Settings()) throws(HTTP2Failure) {
    self.role = role
    self.settings = settings
    let option = HTTP2Engine.options(settings)
    defer { nghttp2_option_del(option) }
    guard let memory = mobo_session_memory_new() else { throw .library(code: Int32(NGHTTP2_ERR_NOMEM.rawValue)) }
    var hooks = mobo_session_memory_hooks(memory)
    var handle: OpaquePointer?
    let code =
      switch role {
      case .server: nghttp2_session_server_new3(&handle, EngineCallbacks.shared.table, nil, option, &hooks)
      case .client: nghttp2_session_client_new3(&handle, EngineCallbacks.shared.table, nil, option, &hooks)
      }
    guard code == 0, let handle else {
      free(memory)
      throw .library(code: code)
    }
    session = handle
    self.memory = memory
    entries = .allocate(capacity: 0)  // A connection without calls needs none.
    texts = .allocate(capacity: 0)
    nghttp2_session_set_user_data(handle, Unmanaged.passUnretained(self).toOpaque())
    try submitSettings()
  }

  deinit {
    block.letGoOfFields()
    nghttp2_session_del(session)
    free(memory)
    entries.deallocate()
    texts.deallocate()
  }

  private static func options(_ settings: HTTP2Settings) -> OpaquePointer? {
    var option: OpaquePointer?
    nghttp2_option_new(&option)
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_option_set_no_closed_streams(option, 1)
    nghttp2_option_set_stream_reset_rate_limit(option, settings.peerResetsBurst, settings.peerResetsPerSecond)
    nghttp2_option_set_max_continuations(option, settings.continuationsMax)
    nghttp2_option_set_max_settings(option, settings.settingsEntriesMax)
    nghttp2_option_set_max_outbound_ack(option, settings.queuedAcknowledgementsMax)
    return option
  }

  private func submitSettings() throws(HTTP2Failure) {
    var list = [
      entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, settings.streamWindowBytes),
      entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, settings.headerListBytesMax),
    ]
    switch role {
    case .server: list.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, settings.concurrentStreamsMax))
    case .client: list.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
    }
    try check(nghttp2_submit_settings(session, flagsNone, list, list.count))
    let window = Int32(clamping: settings.connectionWindowBytes)
    try check(nghttp2_session_set_local_window_size(session, flagsNone, 0, window))
  }

  private func entry(_ id: nghttp2_settings_id, _ value: Int) -> nghttp2_settings_entry {
    nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: UInt32(clamping: value))
  }

  private let flagsNone = UInt8(NGHTTP2_FLAG_NONE.rawValue)

  private func check(_ code: Int32) throws(HTTP2Failure) {
    guard code == 0 else { throw .library(code: code) }
  }

  // MARK: Bytes in, events out

  /// Reads all of `input`. Afterwards the events are taken with `event(at:)`; ranges of data lie in `input`.
  public func receive(_ input: ByteBuffer) throws(HTTP2Failure) {
    let code = input.withUnsafeReadableBytes { bytes in
      inputBase = bytes.baseAddress
      defer { inputBase = nil }
      return role == .server ? giveWatched(bytes) : give(bytes, 0..<bytes.count)
    }
    guard code >= 0 else { throw .library(code: Int32(code)) }
  }

  private func give(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int {
    guard !range.isEmpty else { return 0 }
    return nghttp2_session_mem_recv(session, bytes.baseAddress?.advanced(by: range.lowerBound), range.count)
  }

  /// Looks at the frames' headers on the way. What is doubtful is decided when nghttp2 has been given all before it,
  /// and so knows which streams are open.
  private func giveWatched(_ bytes: UnsafeRawBufferPointer) -> Int {
    var offset = 0
    var given = 0
    while let frame = clientFrames.nextDoubtful(in: bytes, from: &offset, isOpen: isOpen) {
      let code = give(bytes, given..<max(frame.start, given))
      guard code >= 0 else { return code }
      given = max(frame.start, given)
      clientFrames.given()
      guard isOpen(frame.id) || mayGoOn(after: frame) else { return 0 }
    }
    if clientFrames.controlFrames > settings.controlFramesMax, !isTooTalkative {
      isTooTalkative = true
      events.append(HTTP2Event(.misbehaved))
    }
    let code = give(bytes, given..<bytes.count)
    clientFrames.given()
    return code
  }

  /// Tells one block of header fields from the next.
  public var blocksBegun: UInt32 { clientFrames.blocksBegun }

  private func isOpen(_ id: Int32) -> Bool { nghttp2_session_get_stream_user_data(session, id) != nil }

  /// Answers a frame for a stream that is closed; false when it ends the connection.
  private func mayGoOn(after frame: FrameHeader) -> Bool {
    switch clientFrames.verdict(on: frame) {
    case .late: return true
    case .streamClosed:
      // Noted now: a client that does not read must not have us queue one for every frame.
      clientFrames.forsake(frame.id)
      recordOddFrame()
      nghttp2_submit_rst_stream(session, flagsNone, frame.id, HTTP2ErrorCode.streamClosed.rawValue)
      return true
    case .connectionClosed: terminate(.streamClosed)
    case .neverOpened: terminate(.protocolError)
    }
    return false
  }

  /// The peer has begun a block of header fields that is not complete (server).
  public var isReadingHeaders: Bool { role == .server && clientFrames.isReadingHeaders }

  public var eventCount: Int { events.count }

  public func event(at position: Int) -> HTTP2Event { events[position] }

  /// The fields of a `head` or `trailers` event.
  public func headers(of event: HTTP2Event) -> HeaderList { block.fields(of: event) }

  /// Forgets the events and, with a closed stream's event, its slot.
  public func clearEvents() {
    for event in events where event.kind == .closed {
      queuedBytes -= streams[event.slot.number].queuedBytes
      streams[event.slot.number] = StreamRecord()
      freeSlots.append(event.slot.index)
    }
    events.removeAll(keepingCapacity: events.capacity <= HTTP2Engine.keptEvents)
    block.clear()
  }

  /// Appends what is to be written, until nothing is left or `buffer` holds `limit` bytes. May add events.
  public func drain(into buffer: inout ByteBuffer, limit: Int) throws(HTTP2Failure) {
    var step = OutputRoom.Step.full
    while step == .full, buffer.readableBytes < limit {
      let left = limit - buffer.readableBytes
      buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: OutputRoom.frameBytesMax) { target in
        output.begin(target)
        defer { output.end() }
        step = fillOutput(left)
        return output.count
      }
    }
    if case .failed(let code) = step { throw .library(code: code) }
  }

  /// Goes on as long as the next frame is sure to fit. DATA frames are written by a callback, where their bytes need
  /// no way round through nghttp2's own buffer.
  private func fillOutput(_ limit: Int) -> OutputRoom.Step {
    while output.isRoomy, output.count < limit {
      var data: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &data)
      guard count >= 0 else { return .failed(code: Int32(count)) }
      guard count > 0, let data else { return output.isRoomy ? .done : .full }
      output.write(UnsafeRawBufferPointer(start: data, count: count))
    }
    return .full
  }

  /// False once both directions are done: the connection should be closed after the last written byte.
  public var isAlive: Bool { nghttp2_session_want_read(session) != 0 || nghttp2_session_want_write(session) != 0 }

  // MARK: Streams

  /// Opens a stream (client). It goes out with the next `drain`.
  public func open(_ headers: HeaderList, isEnd: Bool) throws(HTTP2Failure) -> StreamSlot {
    let count = try fill(headers)
    let slot = takeSlot()
    var provider = bodyProvider(slot)
    let userData = UnsafeMutableRawPointer(bitPattern: Int(slot) + 1)
    let id =
      isEnd
      ? nghttp2_submit_request(session, nil, entries.baseAddress, count, nil, userData)
      : nghttp2_submit_request(session, nil, entries.baseAddress, count, &provider, userData)
    guard id > 0 else {
      freeSlots.append(slot)
      throw id == Int32(NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE.rawValue) ? .streamsExhausted : .library(code: id)
    }
    streams[Int(slot)].id = id
    return StreamSlot(index: slot)
  }

  /// Sends the head of a response. With `isEnd` it is the whole response.
  public func respond(_ slot: StreamSlot, _ headers: HeaderList, isEnd: Bool) throws(HTTP2Failure) {
    let count = try fill(headers)
    try submitResponse(slot, UnsafePointer(entries.baseAddress), count, isEnd)
  }

  /// Sends a prepared head.
  public func respond(_ slot: StreamSlot, _ headers: StaticHeaders, isEnd: Bool) throws(HTTP2Failure) {
    try submitResponse(slot, headers.entries, headers.count, isEnd)
  }

  private func submitResponse(
    _ slot: StreamSlot, _ entries: UnsafePointer<nghttp2_nv>?, _ count: Int, _ isEnd: Bool
  ) throws(HTTP2Failure) {
    let id = streams[slot.number].id
    guard !isEnd else {
      streams[slot.number].isFinished = true
      return try check(nghttp2_submit_response(session, id, entries, count, nil))
    }
    var provider = bodyProvider(slot.index)
    try check(nghttp2_submit_response(session, id, entries, count, &provider))
  }

  /// Queues bytes of the body, after a head that was sent without `isEnd`.
  public func send(_ slot: StreamSlot, _ bytes: [UInt8]) {
    queuedBytes += bytes.count
    streams[slot.number].append(bytes)
    wake(slot)
  }

  /// Ends the body.
  public func finish(_ slot: StreamSlot) {
    streams[slot.number].isFinished = true
    wake(slot)
  }

  /// Ends the body with trailing fields.
  public func finish(_ slot: StreamSlot, trailers: HeaderList) throws(HTTP2Failure) {
    guard trailers.listBytes <= HTTP2Settings.sentHeaderBytesMax else {
      throw .headersTooLarge(bytes: trailers.listBytes)
    }
    streams[slot.number].trailers = .fields(trailers)
    finish(slot)
  }

  /// Ends the body with prepared trailing fields.
  public func finish(_ slot: StreamSlot, trailers: StaticHeaders) {
    streams[slot.number].trailers = .prepared(trailers)
    finish(slot)
  }

  private func wake(_ slot: StreamSlot) {
    guard streams[slot.number].isDeferred else { return }
    streams[slot.number].isDeferred = false
    nghttp2_session_resume_data(session, streams[slot.number].id)
  }

  public func reset(_ slot: StreamSlot, _ code: HTTP2ErrorCode) {
    streams[slot.number].isResetHere = true
    nghttp2_submit_rst_stream(session, flagsNone, streams[slot.number].id, code.rawValue)
  }

  /// Asks a peer that is still sending to stop (RFC 9113, 8.1), by NO_ERROR behind the end of what is sent to it.
  public func stopPeer(_ slot: StreamSlot) {
    guard streams[slot.number].hasSentEnd else { return streams[slot.number].stopsPeer = true }
    reset(slot, .noError)
  }

  /// True once this end's last frame has gone out.
  public func hasSentEnd(_ slot: StreamSlot) -> Bool { streams[slot.number].hasSentEnd }

  /// Gives received bytes back to the windows of the stream and of the connection.
  public func consume(_ slot: StreamSlot, _ count: Int) {
    nghttp2_session_consume(session, streams[slot.number].id, count)
  }

  /// Gives received bytes back to the stream's window alone: the connection's has had them before.
  public func consumeOnStream(_ slot: StreamSlot, _ count: Int) {
    nghttp2_session_consume_stream(session, streams[slot.number].id, count)
  }

  /// Gives received bytes back to the connection's window alone.
  public func consume(_ count: Int) {
    nghttp2_session_consume_connection(session, count)
  }

  // MARK: The connection

  /// The streams that the peer lets this end have open at a time.
  public var peerConcurrentStreamsMax: Int {
    Int(nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS))
  }

  /// Bytes of all streams that the peer may send before this end gives some back.
  public var localWindowBytes: Int { Int(nghttp2_session_get_local_window_size(session)) }

  /// Bytes of all streams that may be sent before the peer gives some back.
  public var remoteWindowBytes: Int { Int(nghttp2_session_get_remote_window_size(session)) }

  /// Asks for a sign of life; its acknowledgement names the purpose.
  public func ping(_ purpose: HTTP2Ping) {
    let bytes = purpose.bytes
    nghttp2_submit_ping(session, flagsNone, bytes)
  }

  /// Tells the peer that the connection will be closed, while streams it has already sent are still taken.
  public func announceGoAway() {
    nghttp2_submit_shutdown_notice(session)
  }

  /// Takes no stream beyond those that have arrived. `reason` is for people who read the peer's logs.
  public func goAway(_ code: HTTP2ErrorCode, reason: String = "") {
    let last = nghttp2_session_get_last_proc_stream_id(session)
    clientFrames.goAway(after: last)
    let text = Array(reason.utf8)
    nghttp2_submit_goaway(session, flagsNone, last, code.rawValue, text, text.count)
  }

  /// Whether a client's stream is one of those that `goAway` has not turned away.
  public func precedesGoAway(_ slot: StreamSlot) -> Bool { streams[slot.number].id <= clientFrames.goAwayID }

  /// Gives the connection up: GOAWAY, and nothing after it.
  public func terminate(_ code: HTTP2ErrorCode) {
    nghttp2_session_terminate_session(session, code.rawValue)
  }

  /// Starts counting odd frames anew; called once per reporting period.
  public func forgetOddFrames() {
    oddFrames = 0
    isTooTalkative = false
    clientFrames.forgetCounts()
  }

  /// The streams whose peer has let less than `HTTP2Settings.stallBytes` of what waits for it through in `limit`
  /// nanoseconds, since they were first found waiting. `now` comes from one monotonic clock.
  public func stalledStreams(now: UInt64, limit: UInt64) -> [StreamSlot] {
    guard queuedBytes > 0 else { return [] }
    var stalled: [StreamSlot] = []
    for slot in streams.indices where streams[slot].isStalled(now: now, limit: limit) {
      stalled.append(StreamSlot(index: Int32(slot)))
    }
    return stalled
  }

  // MARK: Slots and fields

  /// Room for the events of an ordinary batch of reads, which an idle connection keeps.
  private static let keptEvents = 256

  /// Gives back the memory that was kept for the next calls, on a connection without any.
  public func rest() {
    guard events.isEmpty, freeSlots.count == streams.count else { return }
    events = []
    streams = []
    freeSlots = []
    block.rest()
  }

  func takeSlot() -> Int32 {
    if let slot = freeSlots.popLast() { return slot }
    streams.append(StreamRecord())
    return Int32(streams.count - 1)
  }

  private func bodyProvider(_ slot: Int32) -> nghttp2_data_provider {
    nghttp2_data_provider(
      source: nghttp2_data_source(ptr: UnsafeMutableRawPointer(bitPattern: Int(slot) + 1)),
      read_callback: EngineCallbacks.readBody)
  }

  /// Room for an ordinary head.
  private static let entriesLeast = 16
  private static let textsLeast = 512

  private func fill(_ headers: HeaderList) throws(HTTP2Failure) -> Int {
    let size = headers.listBytes
    guard size <= HTTP2Settings.sentHeaderBytesMax else { throw .headersTooLarge(bytes: size) }
    return fillEntries(headers)
  }

  private func fillEntries(_ headers: HeaderList) -> Int {
    if headers.bytes.count > texts.count {
      texts.deallocate()
      texts = .allocate(capacity: max(headers.bytes.count, HTTP2Engine.textsLeast))
    }
    _ = texts.update(fromContentsOf: headers.bytes)
    let needed = headers.reduce(0) { count, _ in count + 1 }
    if needed > entries.count {
      entries.deallocate()
      entries = .allocate(capacity: max(needed, HTTP2Engine.entriesLeast))
    }
    guard let base = texts.baseAddress else { return 0 }
    var count = 0
    for field in headers {
      entries[count] = nghttp2_nv(
        name: base + field.name.lowerBound, value: base + field.value.lowerBound, namelen: field.name.count,
        valuelen: field.value.count, flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
      count += 1
    }
    return count
  }

  /// Sends the trailers of a body that has just ended. Called by the read callback, where nghttp2 wants it.
  func submitTrailers(_ trailers: StreamRecord.Trailers, id: Int32) -> Bool {
    switch trailers {
    case .none: return false
    case .prepared(let headers): return nghttp2_submit_trailer(session, id, headers.entries, headers.count) == 0
    case .fields(let headers):
      let count = fillEntries(headers)
      return nghttp2_submit_trailer(session, id, entries.baseAddress, count) == 0
    }
  }
}
