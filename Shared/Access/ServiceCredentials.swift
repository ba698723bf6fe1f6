import Kernel
import RPC

/// Says on every outgoing call who calls and for whom.
///
/// Internal RPCs get this service's credential and the acting user; user-facing RPCs get the user's access token,
/// unchanged. Neither ever gets both.
public struct ServiceCredentials: ClientInterceptor {
  private let service: String
  private let key: String?

  /// - Parameter keys: without a key of this service internal calls go out bare, and are refused.
  public init(service: String, keys: ServiceKeys) {
    self.service = service
    key = keys.key(of: service)
  }

  public func intercept<R: Sendable>(
    _ call: ClientCallHead, next: (ClientCallHead) async throws -> R
  ) async throws -> R {
    var call = call
    if call.method.isInternal {
      let actor = ActingFor.effective
      if let key {
        call.metadata.replace(ActorMetadata.service, service)
        call.metadata.replace(ActorMetadata.key, key)
      }
      call.metadata.replace(ActorMetadata.actor, actor.id)
      call.metadata.replace(ActorMetadata.roles, actor.roles.map(\.rawValue).joined(separator: ","))
      // What is done again long after its call keeps that call's correlation id.
      if let id = actor.requestID, call.metadata["x-request-id"] == nil {
        call.metadata.append("x-request-id", id)
      }
      if let ip = actor.client?.ip { call.metadata.replace(ActorMetadata.clientIP, ip) }
      if let agent = actor.client?.userAgent { call.metadata.replace(ActorMetadata.clientAgent, agent) }
    } else if call.metadata["authorization"] == nil,
      let token = CallScope.current?.metadata["authorization"]
    {
      call.metadata.append("authorization", token)
    }
    return try await next(call)
  }
}
