public import RPC
internal import Stubs

/// What every executable answers beside its own services: health, and for those who look into it channelz and
/// reflection. None of them asks who calls.
public enum IntrospectionServices {
  /// - Parameters:
  ///   - services: the executable's own.
  ///   - health: what it says of all of them, these included; to be kept up to date by the executable.
  ///   - channelz: what it gives to its servers and channels; nil leaves out channelz and reflection.
  public static func bindings(
    beside services: [any ServiceBinding], health: HealthStatuses, channelz: Channelz?
  ) -> [any ServiceBinding] {
    let own: [any ServiceBinding] = [HealthBinding(HealthService(health))]
    guard let channelz else { return own }
    let described = own + [ChannelzBinding(ChannelzService(channelz))]
    return described + ReflectionService.bindings(for: (services + described).map(\.serviceName))
  }
}
