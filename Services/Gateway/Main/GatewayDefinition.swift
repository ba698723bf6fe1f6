import Access
import Config
import GatewayAPI
import Kernel
import Messages
import RPC
import ServiceRuntime
import Stubs

/// What the process `gateway` is made of. It keeps no database.
struct GatewayDefinition: ServiceDefinition {
  static let name = ServiceName.gateway.rawValue

  func assemble(_ host: ServiceHost<NoSettings>) async throws -> ServiceAssembly {
    let identity = host.channel(to: .identity)
    let wallet = host.channel(to: .wallet)
    let own = GatewayServiceBinding(
      GatewayService(identity: IdentityServiceClient(identity), wallet: WalletServiceClient(wallet)))
    let services = ServiceName.allCases.filter { $0 != .gateway }.map { ($0.rawValue, host.channel(to: $0)) }
    let health = ServiceHealth(services)

    var backends: [String: any Backend] = ["mobo.gateway.v1": OwnBackend(own)]
    for (name, channel) in services { backends["mobo.\(name).v1"] = ChannelBackend(channel) }
    let keys = IdentityInternalServiceClient(identity)
    let routes = RouteTable(backends: backends)
    let admission = AdmissionControl(
      methods: routes.methods, configuration: AdmissionConfiguration(host.common), logger: host.logger)
    let edge = JSONEdge(
      routes: routes,
      documents: [
        "/.well-known/jwks.json": KeySetDocument(refresh: host.common.jwksRefresh, logger: host.logger) {
          try await keys.getSigningKeys(IdentityV1.GetSigningKeysRequest()).keys
        }
      ],
      access: AccessInterceptor(
        verifier: host.verifier, principals: host.principals, serviceKeys: host.serviceKeys),
      admission: admission,
      messageBytesMax: host.common.grpcMessageBytesMax, requestTimeout: host.common.requestTimeout, logger: host.logger)
    return ServiceAssembly(
      services: [own], needs: [.wallet], http: edge, admission: admission, dependencies: { await health.states() })
  }
}
