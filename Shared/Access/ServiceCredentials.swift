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

  public func intercept(
    _ request: ClientRequest, next: (ClientRequest) async throws -> ClientResponse
  ) async throws -> ClientResponse {
    var request = request
    if request.method.isInternal {
      let actor = ActingFor.effective
      if let key {
        request.metadata.replace(ActorMetadata.service, service)
        request.metadata.replace(ActorMetadata.key, key)
      }
      request.metadata.replace(ActorMetadata.actor, actor.id)
      request.metadata.replace(ActorMetadata.roles, actor.roles.map(\.rawValue).joined(separator: ","))
    } else if request.metadata["authorization"] == nil,
      let token = CallScope.current?.metadata["authorization"]
    {
      request.metadata.append("authorization", token)
    }
    return try await next(request)
  }
}
