internal import NIOPosix

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

extension NameResolver {
  /// Asks the operating system: its hosts file, its name servers, its order of addresses (RFC 6724).
  ///
  /// The system's function blocks, for as long as name servers do not answer, so it runs on a thread made for that.
  static let system = NameResolver { host in
    try await NIOThreadPool.singleton.runIfActive { try lookUp(host) }
  }

  private static func lookUp(_ host: String) throws -> [String] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    #if canImport(Glibc)
      hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    #else
      hints.ai_socktype = SOCK_STREAM
    #endif
    var list: UnsafeMutablePointer<addrinfo>?
    let code = getaddrinfo(host, nil, &hints, &list)
    guard code == 0 else { throw NameFailure(host: host, reason: String(cString: gai_strerror(code))) }
    defer { freeaddrinfo(list) }
    var hosts: [String] = []
    var next = list
    while let entry = next?.pointee {
      if let host = number(entry), !hosts.contains(host) { hosts.append(host) }
      next = entry.ai_next
    }
    return hosts
  }

  private static func number(_ entry: addrinfo) -> String? {
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let code = getnameinfo(
      entry.ai_addr, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
    guard code == 0 else { return nil }
    return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
