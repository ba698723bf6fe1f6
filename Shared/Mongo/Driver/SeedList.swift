#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The address family of a URI's seeds. libmongoc has no such setting for pools: it tries both families at once.
enum SeedList {
  /// With family 4, `localhost` becomes 127.0.0.1 and a host with IPv6 addresses only is refused. Names that do not
  /// resolve now are left to libmongoc.
  static func adjusted(_ uri: String, family: Int) throws(MongoStartFailure) -> String {
    let scheme = "mongodb://"
    guard family == 4, uri.hasPrefix(scheme) else { return uri }
    let rest = uri.dropFirst(scheme.count)
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    let credentialsEnd = authority.lastIndex(of: "@").map { authority.index(after: $0) } ?? authority.startIndex
    let hosts = try authority[credentialsEnd...].split(separator: ",", omittingEmptySubsequences: false)
      .map { seed throws(MongoStartFailure) in try adjusted(seed: String(seed)) }
    return scheme + authority[..<credentialsEnd] + hosts.joined(separator: ",") + rest[authority.endIndex...]
  }

  private static func adjusted(seed: String) throws(MongoStartFailure) -> String {
    if seed.hasPrefix("[") { throw .invalidURI("the seed \(seed) is an IPv6 address, but MONGO_FAMILY is 4") }
    let parts = seed.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let host = parts.first, !host.isEmpty else { return seed }
    if host.lowercased() == "localhost" {
      return (["127.0.0.1"] + parts.dropFirst().map(String.init)).joined(separator: ":")
    }
    // A path of a Unix socket is percent-encoded.
    guard !host.contains("%") else { return seed }
    if !resolves(String(host), AF_INET), resolves(String(host), AF_INET6) {
      throw .invalidURI("the seed \(seed) has no IPv4 address, but MONGO_FAMILY is 4")
    }
    return seed
  }

  private static func resolves(_ host: String, _ family: Int32) -> Bool {
    var hints = addrinfo()
    hints.ai_family = family
    var found: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, &hints, &found) == 0 else { return false }
    freeaddrinfo(found)
    return true
  }
}
