import Access
import Config
import Kernel
import Logging
import Mongo
import RPC
import Reliability
import Stubs

/// What the process offers to the parts of its service.
public struct ServiceHost<Settings: ServiceSettings>: Sendable {
  public let service: ServiceName
  public let common: CommonSettings
  public let settings: Settings
  public let clock: any WallClock
  public let logger: Logger
  public let serviceKeys: ServiceKeys
  /// Verifies access tokens with identity's keys, for parts that see tokens outside a call (the gateway's edge).
  /// Calls themselves are verified by the runtime.
  public let verifier: TokenVerifier
  /// The people behind tokens, asked of identity; not for identity itself.
  public let principals: any PrincipalSource

  /// How other replicas of the service reach this one.
  public let replica: ReplicaAddress

  let client: MongoClient?
  let relay: OutboxRelay?
  /// Of the work that one replica does; nil where there is none.
  let lease: LeaderLease?
  let channels: ChannelRegistry
  /// Nil where the process does not show itself (GRPC_INTROSPECTION).
  let channelz: Channelz?

  /// The service's own database. A process without one (the gateway) must not ask.
  public var mongo: MongoDatabase {
    guard let client else { preconditionFailure("\(service.rawValue) keeps no database") }
    return client.database
  }

  /// The relay that carries the outbox to audit. The runtime runs it; call `wake` after a commit that appended.
  public var outbox: OutboxRelay {
    guard let relay else { preconditionFailure("\(service.rawValue) keeps no outbox") }
    return relay
  }

  /// The channel to another service, shared by everybody in the process: it carries the service's credentials,
  /// the acting user, request id, trace and deadline.
  public func channel(to other: ServiceName) -> RPCChannel {
    channels.channel(to: other)
  }

  /// The channel to one replica of this same service, with the same credentials.
  public func channel(toReplica target: String) -> RPCChannel {
    channels.channel(toReplica: target)
  }
}

extension ServiceHost {
  init(_ configured: Configured<Settings>, database: MongoClient?, clock: any WallClock, logger: Logger) {
    service = configured.service
    common = configured.common
    settings = configured.settings
    serviceKeys = configured.serviceKeys
    self.clock = clock
    self.logger = logger
    client = database
    replica = ReplicaAddress(configured.common)
    channelz = configured.common.grpcIntrospection ? Channelz() : nil
    let channels = ChannelRegistry(
      configured.common, configured.serviceKeys, configured.tls, channelz, logger)
    self.channels = channels
    let identity = channels.channel(to: .identity)
    verifier = TokenVerifier(
      source: RemoteSigningKeys(identity), clock: clock, refresh: configured.common.jwksRefresh, logger: logger)
    principals = CachedPrincipals(
      RemotePrincipals(identity, logger: logger), ttl: configured.common.authCacheTTL)
    let relay = Self.relay(configured.service, database, channels, logger)
    self.relay = relay
    lease =
      if relay != nil, let database { LeaderTasks.lease(database.database, configured.service, logger) } else { nil }
  }

  /// Audit is where the outboxes of the others end; it keeps none.
  private static func relay(
    _ service: ServiceName, _ client: MongoClient?, _ channels: ChannelRegistry, _ logger: Logger
  ) -> OutboxRelay? {
    guard let client, service != .audit else { return nil }
    let delivery = AuditDelivery(AuditInternalServiceClient(channels.channel(to: .audit)))
    return OutboxRelay(client.database, service: service.rawValue, logger: logger) { messages in
      try await ActingFor.run(.system) { try await delivery.deliver(messages) }
    }
  }
}
