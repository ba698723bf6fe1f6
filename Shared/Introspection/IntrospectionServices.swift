public import RPC
internal import Stubs

/// What every executable answers beside its own services: health, and for those who look into it channelz and
/// reflection. None of them asks who calls.
public enum IntrospectionServices {
  /// All services of an executable that depends on nothing: its own and these. They serve as long as it runs.
  public static func all(beside services: [any ServiceBinding], channelz: Channelz?) -> [any ServiceBinding] {
    let health = HealthStatuses()
    let all = services + bindings(beside: services, health: health, channelz: channelz)
    var statuses: [String: HealthStatuses.Status] = ["": .serving]
    for binding in all { statuses[binding.serviceName] = .serving }
    health.update(statuses)
    return all
  }

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
