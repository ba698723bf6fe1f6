public import RPC

/// A call that one replica of a service hands on to another, which answers it for the same caller, as if it had come
/// there at once.
///
/// A person is known by the access token, which travels unchanged. A calling service is named in metadata, which the
/// access interceptor believes from the service itself only; so nobody gains a right by being handed on.
public enum HandedOnCall {
  private static let mark = "mobo-handed-on"
  private static let caller = "mobo-handed-on-for"

  /// What the handed-on call carries beside what every call of the process does.
  public static func metadata(for context: CallContext) -> Metadata {
    var metadata: Metadata = [mark: "1"]
    if case .service(let name, _) = context.caller { metadata.append(caller, name) }
    // A person's client is not the replica.
    if case .user = context.caller {
      if let ip = context.client.ip { metadata.append(ActorMetadata.clientIP, ip) }
      if let agent = context.client.userAgent { metadata.append(ActorMetadata.clientAgent, agent) }
    }
    return metadata
  }

  /// True for a call that was handed on already, and is not handed on again.
  public static func isOne(_ context: CallContext) -> Bool {
    context.metadata[mark] != nil
  }

  static func caller(in metadata: Metadata) -> String? { metadata[caller] }
}
