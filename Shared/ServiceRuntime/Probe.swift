import Config

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The `probe` subcommand: one HTTP request to the admin port of the running process.
enum Probe {
  private static let timeoutSeconds = 5

  static func run(_ path: String, _ common: CommonSettings) throws(StartFailure) -> ProcessExit {
    guard common.adminPort != 0 else {
      throw StartFailure(.usage, "a probe needs a fixed ADMIN_PORT; 0 takes a port that only the process knows")
    }
    // A process that listens everywhere is asked where it surely is.
    let host = ["0.0.0.0", "::", "*"].contains(common.bindAddress) ? "127.0.0.1" : common.bindAddress
    guard let status = ask(host, common.adminPort, path) else {
      TerminalOutput.error("\(path): no answer from \(host):\(common.adminPort)")
      return .probeFailed
    }
    if status != 200 { TerminalOutput.error("\(path): \(status)") }
    return status == 200 ? .success : .probeFailed
  }

  /// The status of the answer; nil without one.
  private static func ask(_ host: String, _ port: Int, _ path: String) -> Int? {
    guard let descriptor = LocalSocket.connect(host, port, timeoutSeconds: timeoutSeconds) else { return nil }
    defer { close(descriptor) }
    let request = Array("GET \(path) HTTP/1.1\r\nHost: \(host)\r\nConnection: close\r\n\r\n".utf8)
    guard send(descriptor, request, request.count, Int32(MSG_NOSIGNAL)) == request.count else { return nil }
    var answer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1_024)
    // "HTTP/1.1 200" is all that counts.
    while answer.count < 12 {
      let count = recv(descriptor, &chunk, chunk.count, 0)
      guard count > 0 else { return nil }
      answer += chunk[..<count]
    }
    return Int(String(decoding: answer[9..<12], as: UTF8.self))
  }
}

/// Plain sockets for the few moments before or without event loops.
enum LocalSocket {
  static func connect(_ host: String, _ port: Int, timeoutSeconds: Int) -> Int32? {
    first(host, port, isPassive: false) { descriptor, address in
      var limit = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
      let size = socklen_t(MemoryLayout<timeval>.size)
      setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
      setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
      return Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0
    }
  }

  /// Nil when the port can be listened on, else what the system says.
  static func problemListening(_ host: String, _ port: Int) -> String? {
    var code: Int32 = 0
    let descriptor = first(host, port, isPassive: true) { descriptor, address in
      var on: Int32 = 1
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
      // Only listening tells: with SO_REUSEADDR two sockets may be bound to one port.
      let isFree =
        bind(descriptor, address.ai_addr, address.ai_addrlen) == 0 && listen(descriptor, 1) == 0
      if !isFree { code = errno }
      return isFree
    }
    guard let descriptor else {
      return switch code {
      case EADDRINUSE: "another program has taken it"
      case 0: "\(host) is no address of this machine"
      default: String(cString: strerror(code))
      }
    }
    close(descriptor)
    return nil
  }

  private static func first(
    _ host: String, _ port: Int, isPassive: Bool, _ attempt: (Int32, addrinfo) -> Bool
  ) -> Int32? {
    var hints = addrinfo()
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = isPassive ? AI_PASSIVE : 0
    var list: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &list) == 0 else { return nil }
    defer { freeaddrinfo(list) }
    var next = list
    while let entry = next {
      let descriptor = socket(entry.pointee.ai_family, entry.pointee.ai_socktype | O_CLOEXEC, 0)
      if descriptor >= 0 {
        if attempt(descriptor, entry.pointee) { return descriptor }
        close(descriptor)
      }
      next = entry.pointee.ai_next
    }
    return nil
  }
}
