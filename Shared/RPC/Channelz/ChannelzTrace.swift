internal import Synchronization
internal import Transport

/// What happened to a server, a channel or a subchannel: how often, and the latest of it in words.
public final class ChannelzTrace: Sendable {
  public enum Severity: Sendable {
    case info
    case warning
    case error
  }

  public struct Event: Sendable {
    public let description: String
    public let severity: Severity
    /// Milliseconds since 1970.
    public let time: Int64
    /// The subchannel it happened to, where that is not the trace's own subject.
    public let subchannel: ChannelzReference?
  }

  /// A trace at one moment.
  public struct Snapshot: Sendable {
    /// Milliseconds since 1970.
    public let created: Int64
    /// Since the creation.
    public let eventsLogged: Int64
    /// The latest, oldest first.
    public let events: [Event]
  }

  private struct State {
    var eventsLogged: Int64 = 0
    var events: [Event] = []
  }

  private let created = CoarseTime.milliseconds
  private let state = Mutex(State())

  func add(_ description: String, _ severity: Severity = .info, subchannel: ChannelzReference? = nil) {
    let event = Event(
      description: description, severity: severity, time: CoarseTime.milliseconds, subchannel: subchannel)
    state.withLock { state in
      state.eventsLogged += 1
      if state.events.count == Limits.channelzEventsMax { state.events.removeFirst() }
      state.events.append(event)
    }
  }

  var snapshot: Snapshot {
    state.withLock { Snapshot(created: created, eventsLogged: $0.eventsLogged, events: $0.events) }
  }
}
