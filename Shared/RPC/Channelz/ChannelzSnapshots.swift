public import Transport

// What channelz tells, apart from how it is told: module Introspection makes messages of it.

/// Something with an id of channelz.
public struct ChannelzReference: Hashable, Sendable {
  /// Unique in the process, whatever it names; never used twice.
  public let id: Int64
  public let name: String
}

/// A part of a list in the order of the ids.
public struct ChannelzPage<Item: Sendable>: Sendable {
  public let items: [Item]
  /// True when nothing comes after these.
  public let isEnd: Bool
}

public struct ChannelzServerSnapshot: Sendable {
  public let reference: ChannelzReference
  public let calls: CallCounts
  public let trace: ChannelzTrace.Snapshot
  public let listeners: [ChannelzReference]
}

/// A channel or a subchannel.
public struct ChannelzChannelSnapshot: Sendable {
  public let reference: ChannelzReference
  public let target: String
  public let state: ConnectivityState
  public let calls: CallCounts
  public let trace: ChannelzTrace.Snapshot
  public let subchannels: [ChannelzReference]
  public let sockets: [ChannelzReference]
}

public struct ChannelzSocketSnapshot: Sendable {
  public let reference: ChannelzReference
  /// Nil for a socket that listens.
  public let connection: ConnectionSnapshot?
  /// Where a socket listens.
  public let listening: ConnectionAddress?
}
