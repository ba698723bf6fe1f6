import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Stands between a client and a MongoDB server of this machine and can lose what the server says, message by message
/// (MongoDB's wire protocol).
///
/// A client that goes through it must connect directly (`uri`): otherwise it would learn of the server's own address.
public final class MongoProxy: Sendable {
  private struct State {
    var sockets: Set<Int32> = []
    var isClosed = false
    /// Connections up to this number hear nothing any more.
    var silentUpTo = 0
    var opened = 0
    /// The next answer to a command whose bytes contain this is dropped and its connection closed.
    var lost: (command: [UInt8], times: Int)?
  }

  public let port: UInt16
  private let listener: Int32
  private let target: UInt16
  private let state = Mutex(State())

  /// Listens on a free port and forwards to `target` on 127.0.0.1.
  public init(to target: UInt16) throws {
    self.target = target
    let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = Self.address(0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
        bind(listener, raw, length) == 0 && listen(listener, 64) == 0 && getsockname(listener, raw, &length) == 0
      }
    }
    guard isListening else { throw ProxyFailure(code: errno) }
    self.listener = listener
    port = UInt16(bigEndian: address.sin_port)
    Self.thread { self.acceptAll() }
  }

  public struct ProxyFailure: Error {
    public let code: Int32
  }

  /// What a client that goes through here is given.
  public var uri: String { "mongodb://127.0.0.1:\(port)/?directConnection=true" }

  /// From now on the connections that are open hear nothing, without being closed; later ones work.
  public func silence() {
    state.withLock { $0.silentUpTo = $0.opened }
  }

  /// Has the server do what the next `times` commands of this name say, and loses the answers with the connections.
  public func loseAnswers(to command: String, times: Int = 1) {
    state.withLock { $0.lost = (Array(command.utf8) + [0], times) }
  }

  /// How many answers are still to be lost.
  public var answersToLose: Int { state.withLock { $0.lost?.times ?? 0 } }

  public func close() {
    let sockets = state.withLock { state in
      state.isClosed = true
      return state.sockets
    }
    for one in sockets.union([listener]) { shutdown(one, Int32(SHUT_RDWR)) }
  }

  private func acceptAll() {
    defer { _ = Glibc.close(listener) }
    while true {
      let near = accept(listener, nil, nil)
      guard near >= 0 else { return }
      let far = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = Self.address(target)
      let isConnected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
          connect(far, raw, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
      }
      let number = state.withLock { state -> Int? in
        guard isConnected, !state.isClosed else { return nil }
        state.sockets.formUnion([near, far])
        state.opened += 1
        return state.opened
      }
      guard let number else {
        _ = Glibc.close(near)
        _ = Glibc.close(far)
        continue
      }
      let pair = Pair(number: number, near: near, far: far)
      Self.thread { self.forward(from: near, to: far, pair, isAnswer: false) }
      Self.thread { self.forward(from: far, to: near, pair, isAnswer: true) }
    }
  }

  /// One connection's two sockets.
  private final class Pair: Sendable {
    let number: Int
    let near: Int32
    let far: Int32
    let losesNext = Atomic(false)
    let ended = Atomic(0)

    init(number: Int, near: Int32, far: Int32) {
      (self.number, self.near, self.far) = (number, near, far)
    }
  }

  private func forward(from source: Int32, to sink: Int32, _ pair: Pair, isAnswer: Bool) {
    while let message = Self.message(source) {
      if isAnswer {
        if pair.losesNext.load(ordering: .acquiring) { break }
        if state.withLock({ pair.number <= $0.silentUpTo }) { continue }
      } else if isToBeLost(message) {
        pair.losesNext.store(true, ordering: .releasing)
      }
      guard Self.send(message, sink) else { break }
    }
    shutdown(pair.near, Int32(SHUT_RDWR))
    shutdown(pair.far, Int32(SHUT_RDWR))
    guard pair.ended.add(1, ordering: .acquiringAndReleasing).newValue == 2 else { return }
    state.withLock { $0.sockets.subtract([pair.near, pair.far]) }
    _ = Glibc.close(pair.near)
    _ = Glibc.close(pair.far)
  }

  private func isToBeLost(_ message: [UInt8]) -> Bool {
    state.withLock { state in
      guard let (command, times) = state.lost, times > 0, Self.contains(message, command) else { return false }
      state.lost = (command, times - 1)
      return true
    }
  }

  private static func contains(_ message: [UInt8], _ part: [UInt8]) -> Bool {
    guard message.count >= part.count else { return false }
    return (0...(message.count - part.count)).contains { start in
      message[start] == part[0] && message[start..<(start + part.count)].elementsEqual(part)
    }
  }

  /// One message, header included; nil at the end.
  private static func message(_ source: Int32) -> [UInt8]? {
    guard let head = receive(source, 4) else { return nil }
    let length = head.withUnsafeBytes { Int(Int32(littleEndian: $0.loadUnaligned(as: Int32.self))) }
    guard (16...(48 << 20)).contains(length), let rest = receive(source, length - 4) else { return nil }
    return head + rest
  }

  private static func receive(_ source: Int32, _ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var filled = 0
    while filled < count {
      let got = bytes.withUnsafeMutableBytes { recv(source, $0.baseAddress! + filled, count - filled, 0) }
      guard got > 0 else { return nil }
      filled += got
    }
    return bytes
  }

  private static func send(_ message: [UInt8], _ sink: Int32) -> Bool {
    var sent = 0
    while sent < message.count {
      let gone = message.withUnsafeBytes {
        Glibc.send(sink, $0.baseAddress! + sent, message.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard gone > 0 else { return false }
      sent += gone
    }
    return true
  }

  private static func address(_ port: UInt16) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    return address
  }

  private final class Body: Sendable {
    let run: @Sendable () -> Void
    init(_ run: @escaping @Sendable () -> Void) { self.run = run }
  }

  /// Forwarding blocks: it must not occupy Swift's own threads.
  private static func thread(_ run: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    let body = Unmanaged.passRetained(Body(run))
    pthread_create(
      &thread, nil,
      { context in
        if let context { Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run() }
        return nil
      }, body.toOpaque())
    pthread_detach(thread)
  }
}
