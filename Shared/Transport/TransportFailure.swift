/// What can go wrong between a process and its sockets.
public enum TransportFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The address cannot be listened on; most often another process has the port.
  case bind(host: String, port: Int, reason: String)
  case connect(host: String, port: Int, reason: String)
  /// The connection is closed or being closed.
  case connectionClosed
  /// The server has as many connections as it may, in all or from this address.
  case tooManyConnections

  public var description: String {
    switch self {
    case .bind(let host, let port, let reason): "cannot listen on \(host):\(port): \(reason)"
    case .connect(let host, let port, let reason): "cannot connect to \(host):\(port): \(reason)"
    case .connectionClosed: "the connection is closed"
    case .tooManyConnections: "too many connections"
    }
  }
}
