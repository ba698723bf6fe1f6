import IdentityDomain
import RPC

extension ClientDescription {
  /// What the gateway says about the client, or the peer itself. A note for people: nothing is decided by it.
  init(of context: CallContext) {
    let peerHost = context.peer.lastIndex(of: ":").map { String(context.peer[..<$0]) } ?? context.peer
    self.init(
      ip: context.metadata["mobo-client-ip"] ?? (peerHost.isEmpty ? nil : peerHost),
      userAgent: context.metadata["mobo-client-agent"] ?? context.metadata["user-agent"])
  }
}
