import Access
import Config
import Kernel
import Logging
import RPC
import Synchronization
import Transport

/// The process's channels to the other services: one per service, made when first asked for.
final class ChannelRegistry: Sendable {
  private let common: CommonSettings
  private let credentials: ServiceCredentials
  private let tls: TLSCredentials?
  private let channelz: Channelz?
  private let logger: Logger
  private let channels = Mutex<[ServiceName: RPCChannel]>([:])
  private let replicas = Mutex<[String: RPCChannel]>([:])

  init(
    _ common: CommonSettings, _ serviceKeys: ServiceKeys, _ tls: TLSCredentials?, _ channelz: Channelz?,
    _ logger: Logger
  ) {
    self.common = common
    self.channelz = channelz
    self.tls = tls
    // With TLS the certificate says who calls, and keys stay at home.
    credentials = ServiceCredentials(service: common.service.rawValue, keys: tls == nil ? serviceKeys : .none)
    self.logger = logger
  }

  func channel(to other: ServiceName) -> RPCChannel {
    channels.withLock { channels in
      if let channel = channels[other] { return channel }
      let channel = RPCChannel(
        target: common.targets[other] ?? "", configuration: configuration(of: other), interceptors: [credentials],
        logger: logger)
      channels[other] = channel
      return channel
    }
  }

  func channel(toReplica target: String) -> RPCChannel {
    replicas.withLock { replicas in
      if let channel = replicas[target] { return channel }
      var configuration = configuration(of: common.service)
      configuration.loadBalancing = .pickFirst
      let channel = RPCChannel(
        target: target, configuration: configuration, interceptors: [credentials], logger: logger)
      replicas[target] = channel
      return channel
    }
  }

  /// All replicas get calls; who restarts is called again as soon as it is back.
  private func configuration(of other: ServiceName) -> RPCChannelConfiguration {
    var configuration = RPCChannelConfiguration(
      tls: clientTLS(to: other), messageBytesMax: common.grpcMessageBytesMax, backoff: .prompt,
      defaultDeadline: common.requestTimeout)
    configuration.loadBalancing = .roundRobin
    // A peer that vanishes without a word is noticed, and its calls fail over, before most deadlines.
    configuration.keepaliveTime = common.connections.keepaliveTime
    configuration.keepaliveTimeout = common.connections.keepaliveTimeout
    configuration.permitsKeepaliveWithoutCalls = true
    configuration.channelz = channelz
    return configuration
  }

  /// The server must be the service that is meant, whatever host it runs on.
  private func clientTLS(to other: ServiceName) -> ClientTLS? {
    guard let tls, let domain = common.tls?.trustDomain,
      let server = SPIFFEID(trustDomain: domain, service: other.rawValue)
    else { return nil }
    return ClientTLS(tls, server: .identity(server))
  }

  func close() async {
    let open = channels.withLock { channels in
      defer { channels = [:] }
      return Array(channels.values)
    }
    let toReplicas = replicas.withLock { replicas in
      defer { replicas = [:] }
      return Array(replicas.values)
    }
    for channel in open + toReplicas { await channel.close() }
  }
}
