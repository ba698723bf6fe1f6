import Access
import Config
import Kernel
import Logging
import RPC
import Synchronization

/// The process's channels to the other services: one per service, made when first asked for.
final class ChannelRegistry: Sendable {
  private let common: CommonSettings
  private let credentials: ServiceCredentials
  private let logger: Logger
  private let channels = Mutex<[ServiceName: RPCChannel]>([:])

  init(_ common: CommonSettings, _ serviceKeys: ServiceKeys, _ logger: Logger) {
    self.common = common
    credentials = ServiceCredentials(service: common.service.rawValue, keys: serviceKeys)
    self.logger = logger
  }

  func channel(to other: ServiceName) -> RPCChannel {
    channels.withLock { channels in
      if let channel = channels[other] { return channel }
      let channel = RPCChannel(
        target: common.targets[other] ?? "",
        configuration: RPCChannelConfiguration(
          messageBytesMax: common.grpcMessageBytesMax, defaultDeadline: common.requestTimeout),
        interceptors: [credentials], logger: logger)
      channels[other] = channel
      return channel
    }
  }

  func close() async {
    let open = channels.withLock { channels in
      defer { channels = [:] }
      return Array(channels.values)
    }
    for channel in open { await channel.close() }
  }
}
