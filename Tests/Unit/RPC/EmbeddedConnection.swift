import NIOCore
import NIOEmbedded

@testable import HTTP2
@testable import Transport

/// One frame as it went out.
struct RawFrame: Equatable {
  let type: UInt8
  let flags: UInt8
  let id: Int32
  let payload: [UInt8]

  static let data: UInt8 = 0
  static let headers: UInt8 = 1
  static let reset: UInt8 = 3
  static let settings: UInt8 = 4
  static let ping: UInt8 = 6
  static let goAway: UInt8 = 7
  static let windowUpdate: UInt8 = 8
  static let continuation: UInt8 = 9

  var isAcknowledgement: Bool { flags & 1 != 0 }

  /// The error code of RST_STREAM or GOAWAY.
  var code: HTTP2ErrorCode {
    let start = type == RawFrame.goAway ? 4 : 0
    return HTTP2ErrorCode(rawValue: payload[start..<start + 4].reduce(0) { $0 << 8 | UInt32($1) })
  }

  /// The last stream that a GOAWAY names, and what it says to people.
  var lastStream: Int32 { Int32(bitPattern: payload[..<4].reduce(0) { $0 << 8 | UInt32($1) }) }
  var debugText: String { String(decoding: payload[8...], as: UTF8.self) }

  static func bytes(_ type: UInt8, flags: UInt8 = 0, id: Int32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
    let length = payload.count
    let head = [UInt8(length >> 16), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF), type, flags]
    return head + withUnsafeBytes(of: id.bigEndian) { Array($0) } + payload
  }

  static func parse(_ bytes: [UInt8]) -> [RawFrame] {
    var frames: [RawFrame] = []
    var scanner = FrameScanner(skipping: bytes.starts(with: Array("PRI".utf8)) ? FrameScanner.prefaceBytes : 0)
    var offset = 0
    bytes.withUnsafeBytes { raw in
      while let head = scanner.next(in: raw, from: &offset) {
        let payload = Array(bytes[offset..<min(offset + head.length, bytes.count)])
        frames.append(RawFrame(type: head.type, flags: head.flags, id: head.id, payload: payload))
      }
    }
    return frames
  }
}

/// A connection without a socket, on a clock that the test moves; the test is its peer, frame by frame.
final class EmbeddedConnection {
  let loop = EmbeddedEventLoop()
  let channel: EmbeddedChannel
  let connection: HTTP2Connection
  let streams: Counter
  private(set) var isClosed = false

  /// A server whose streams `script` answers.
  convenience init(
    server configuration: ConnectionConfiguration, script: @escaping @Sendable (HTTP2Stream, Int) -> Void = { _, _ in }
  ) throws {
    let streams = Counter()
    try self.init(server: configuration, streams: streams) { _ in ScriptedAcceptor(streams: streams, script: script) }
  }

  init(
    server configuration: ConnectionConfiguration, streams: Counter,
    makeAcceptor: @escaping @Sendable (HTTP2Connection) -> any StreamAcceptor
  ) throws {
    channel = EmbeddedChannel(loop: loop)
    self.streams = streams
    connection = try HTTP2Connection(eventLoop: loop, configuration: configuration, makeAcceptor: makeAcceptor)
    try begin()
  }

  init(client configuration: ConnectionConfiguration) throws {
    streams = Counter()
    channel = EmbeddedChannel(loop: loop)
    connection = try HTTP2Connection(eventLoop: loop, configuration: configuration)
    try begin()
  }

  private func begin() throws {
    try channel.pipeline.syncOperations.addHandler(connection)
    try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    loop.run()
  }

  deinit {
    connection.close()
    loop.run()
  }

  var isOpen: Bool { channel.isActive }

  func advance(_ time: TimeAmount) {
    loop.advanceTime(by: time)
  }

  func send(_ bytes: [UInt8]...) throws {
    guard isOpen else { return }
    try channel.writeInbound(ByteBuffer(bytes: bytes.flatMap(\.self)))
    loop.run()
  }

  /// What has gone out since the last time.
  func frames() throws -> [RawFrame] {
    loop.run()
    var bytes: [UInt8] = []
    while let buffer = try channel.readOutbound(as: ByteBuffer.self) { bytes += Array(buffer.readableBytesView) }
    return RawFrame.parse(bytes)
  }

  func frames(_ type: UInt8) throws -> [RawFrame] { try frames().filter { $0.type == type } }

  // MARK: What the peer sends

  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  static let settings = RawFrame.bytes(RawFrame.settings)
  static let acknowledged = RawFrame.bytes(RawFrame.settings, flags: 1)
  static let greeting = preface + settings + acknowledged

  /// No Huffman, no table: every field is a literal.
  static let block = block(path: "/a.B/C")

  static func block(path: String) -> [UInt8] {
    let fields = [
      (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test"), ("te", "trailers"),
      ("content-type", "application/grpc"),
    ]
    return fields.reduce(into: []) { block, field in
      for text in [field.0, field.1] {
        if text == field.0 { block.append(0) }
        block += [UInt8(text.utf8.count)] + Array(text.utf8)
      }
    }
  }

  static func request(_ id: Int32, isEnd: Bool = true, path: String = "/a.B/C") -> [UInt8] {
    RawFrame.bytes(RawFrame.headers, flags: isEnd ? 5 : 4, id: id, block(path: path))
  }

  static func windowSetting(_ size: UInt32) -> [UInt8] {
    RawFrame.bytes(RawFrame.settings, [0, 4] + withUnsafeBytes(of: size.bigEndian) { Array($0) })
  }

  static func windowUpdate(_ id: Int32, _ size: UInt32) -> [UInt8] {
    RawFrame.bytes(RawFrame.windowUpdate, id: id, withUnsafeBytes(of: size.bigEndian) { Array($0) })
  }

  static let ping = RawFrame.bytes(RawFrame.ping, Array("12345678".utf8))

  static func pong(_ frame: RawFrame) -> [UInt8] { RawFrame.bytes(RawFrame.ping, flags: 1, frame.payload) }

  /// The answer of a server that has nothing to say.
  static func response(_ id: Int32) -> [UInt8] {
    RawFrame.bytes(RawFrame.headers, flags: 5, id: id, [0x88])  // ":status: 200" of the static table.
  }
}
