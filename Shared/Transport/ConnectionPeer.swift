/// The other end of a connection: one object for all streams of it.
public final class ConnectionPeer: Sendable {
  /// `host:port` as the socket says; empty within the process.
  public let address: String
  /// True on a connection with TLS.
  public let isEncrypted: Bool
  /// Who the verified certificate says it is; nil without one.
  public let identity: PeerIdentity?

  public init(address: String, isEncrypted: Bool = false, identity: PeerIdentity? = nil) {
    self.address = address
    self.isEncrypted = isEncrypted
    self.identity = identity
  }

  /// True for an end on this machine that was reached through the loopback interface, and within the process.
  public var isLoopback: Bool {
    guard let mark = address.lastIndex(of: ":") else { return address.isEmpty }
    let host = address[..<mark]
    return host == "::1" || host.hasPrefix("127.") || host.lowercased().hasPrefix("::ffff:127.") || host == "unix"
  }
}
