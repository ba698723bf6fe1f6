import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A blocking socket: sends exactly the bytes it is given. Waits on a thread of its own, because a test that blocked
/// the pool of the concurrency runtime would starve the server it waits for.
final class RawClient: Sendable {
  struct ConnectionRefused: Error {}

  struct Response: Sendable {
    var status = 0
    /// Lower-case, lines joined.
    var headers = ""
    var body = ""
  }

  private let descriptor: Mutex<Int32>
  private let received = Mutex<[UInt8]>([])

  init(port: Int) throws {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    // A server that says nothing must fail the test, not hang it.
    var limit = timeval(tv_sec: 20, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    let result = withUnsafePointer(to: address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    self.descriptor = Mutex(descriptor)
    guard result == 0 else { throw ConnectionRefused() }
  }

  deinit { close() }

  func close() {
    descriptor.withLock { descriptor in
      if descriptor >= 0 { Glibc.close(descriptor) }
      descriptor = -1
    }
  }

  func send(_ text: String) {
    send(Array(text.utf8))
  }

  func send(_ bytes: [UInt8]) {
    let descriptor = descriptor.withLock { $0 }
    _ = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }

  /// The next response; status 0 when the connection ends before it.
  func response(hasBody: Bool = true) async -> Response {
    await onThread { [self] in
      received.withLock { received in
        var response = Response()
        guard let end = readUntil(Array("\r\n\r\n".utf8), into: &received) else { return response }
        let head = String(decoding: received[..<end], as: UTF8.self).lowercased()
        received.removeFirst(end)
        response.headers = head
        response.status = Int(head.split(separator: " ").dropFirst().first ?? "") ?? 0
        let line = head.split(separator: "\r\n").first { $0.hasPrefix("content-length:") }
        let length = hasBody ? line.flatMap { Int($0.dropFirst(15).drop { $0 == " " }) } ?? 0 : 0
        while received.count < length, readMore(into: &received) {}
        response.body = String(decoding: received.prefix(length), as: UTF8.self)
        received.removeFirst(min(length, received.count))
        return response
      }
    }
  }

  /// The next bytes, at least `count` of them unless the connection ends.
  func bytes(atLeast count: Int) async -> [UInt8] {
    await onThread { [self] in
      received.withLock { received in
        while received.count < count, readMore(into: &received) {}
        defer { received = [] }
        return received
      }
    }
  }

  /// True when the server has closed and nothing is left to read.
  func isAtEnd() async -> Bool {
    await onThread { [self] in received.withLock { $0.isEmpty && !readMore(into: &$0) } }
  }

  private func onThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in
      Thread.detachNewThread { continuation.resume(returning: body()) }
    }
  }

  private func readUntil(_ mark: [UInt8], into received: inout [UInt8]) -> Int? {
    var from = 0
    while true {
      while from + mark.count <= received.count {
        if received[from..<from + mark.count].elementsEqual(mark) { return from + mark.count }
        from += 1
      }
      guard readMore(into: &received) else { return nil }
    }
  }

  private func readMore(into received: inout [UInt8]) -> Bool {
    let descriptor = descriptor.withLock { $0 }
    var chunk = [UInt8](repeating: 0, count: 65_536)
    let count = chunk.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, $0.count, 0) }
    guard count > 0 else { return false }
    received += chunk[..<count]
    return true
  }
}

/// Something that happens once and can be awaited.
final class Flag: Sendable {
  private struct State {
    var isRaised = false
    var waiters: [CheckedContinuation<Void, Never>] = []
  }

  private let state = Mutex(State())

  func raise() {
    let waiters = state.withLock { state in
      state.isRaised = true
      defer { state.waiters = [] }
      return state.waiters
    }
    for waiter in waiters { waiter.resume() }
  }

  func wait() async {
    await withCheckedContinuation { continuation in
      let isRaised = state.withLock { state in
        if !state.isRaised { state.waiters.append(continuation) }
        return state.isRaised
      }
      if isRaised { continuation.resume() }
    }
  }
}
