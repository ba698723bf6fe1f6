import Access
import HTTP
import RPC

/// What of an HTTP request travels on as metadata of the call it becomes.
enum ForwardedMetadata {
  /// The longest value forwarded; a client's name longer than this is cut.
  static let clientAgentLengthMax = 512

  /// Beside the token, `authorization` names its scheme.
  private static let authorizationLengthMax = TokenVerifier.tokenBytesMax + 16

  /// - Parameter isPublic: a public method looks at no token, so one that no service would take stays here.
  static func of(_ head: HTTPRequestHead, requestID: String, isPublic: Bool) -> Metadata {
    var metadata: Metadata = ["x-request-id": requestID]
    for token in head.headers.all("authorization") where isPrintable(token) {
      if isPublic, token.utf8.count > authorizationLengthMax { continue }
      metadata.append("authorization", token)
    }
    if let trace = head.headers["traceparent"], isPrintable(trace) { metadata.append("traceparent", trace) }
    let ip = host(of: head.peer)
    if !ip.isEmpty, isPrintable(ip) { metadata.append("mobo-client-ip", ip) }
    if let agent = head.headers["user-agent"] {
      let printable = agent.utf8.filter { (0x20...0x7E).contains($0) }.prefix(clientAgentLengthMax)
      metadata.append("mobo-client-agent", String(decoding: printable, as: UTF8.self))
    }
    return metadata
  }

  /// What the running call's scope says about the client; the rest of it the channel forwards by itself.
  static var aboutClient: Metadata {
    var metadata = Metadata()
    for name in ["mobo-client-ip", "mobo-client-agent"] {
      if let value = CallScope.current?.metadata[name] { metadata.append(name, value) }
    }
    return metadata
  }

  /// Without the port. IPv6 addresses come without brackets: the port follows the last colon.
  private static func host(of peer: String) -> String {
    peer.lastIndex(of: ":").map { String(peer[..<$0]) } ?? peer
  }

  private static func isPrintable(_ text: String) -> Bool {
    text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
  }
}
