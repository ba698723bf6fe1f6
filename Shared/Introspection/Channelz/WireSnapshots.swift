internal import Kernel
internal import Messages
internal import RPC
internal import Transport

// From what the runtime tells to the messages of channelz.

extension GoogleProtobuf.Timestamp {
  /// Nil for a time that means never.
  fileprivate init?(milliseconds: Int64) {
    guard milliseconds != 0 else { return nil }
    self.init(Kernel.Timestamp(milliseconds: milliseconds))
  }
}

extension GrpcChannelzV1.Server {
  init(_ server: ChannelzServerSnapshot) {
    self.init(
      ref: .init(serverId: server.reference.id, name: server.reference.name),
      data: .init(
        trace: .init(server.trace), callsStarted: server.calls.started, callsSucceeded: server.calls.succeeded,
        callsFailed: server.calls.failed, lastCallStartedTimestamp: .init(milliseconds: server.calls.lastStarted)),
      listenSocket: server.listeners.map { .init($0) })
  }
}

extension GrpcChannelzV1.Channel {
  init(_ channel: ChannelzChannelSnapshot) {
    self.init(
      ref: .init(channelId: channel.reference.id, name: channel.reference.name), data: .init(channel),
      subchannelRef: channel.subchannels.map { .init($0) }, socketRef: channel.sockets.map { .init($0) })
  }
}

extension GrpcChannelzV1.Subchannel {
  init(_ subchannel: ChannelzChannelSnapshot) {
    self.init(
      ref: .init(subchannel.reference), data: .init(subchannel),
      subchannelRef: subchannel.subchannels.map { .init($0) }, socketRef: subchannel.sockets.map { .init($0) })
  }
}

extension GrpcChannelzV1.SubchannelRef {
  init(_ reference: ChannelzReference) {
    self.init(subchannelId: reference.id, name: reference.name)
  }
}

extension GrpcChannelzV1.SocketRef {
  init(_ reference: ChannelzReference) {
    self.init(socketId: reference.id, name: reference.name)
  }
}

extension GrpcChannelzV1.ChannelData {
  init(_ channel: ChannelzChannelSnapshot) {
    self.init(
      state: .init(state: Self.wire(channel.state)), target: channel.target, trace: .init(channel.trace),
      callsStarted: channel.calls.started, callsSucceeded: channel.calls.succeeded,
      callsFailed: channel.calls.failed,
      lastCallStartedTimestamp: .init(milliseconds: channel.calls.lastStarted))
  }

  private static func wire(_ state: ConnectivityState) -> GrpcChannelzV1.ChannelConnectivityState.State {
    switch state {
    case .idle: .idle
    case .connecting: .connecting
    case .ready: .ready
    case .transientFailure: .transientFailure
    case .shutdown: .shutdown
    }
  }
}

extension GrpcChannelzV1.ChannelTrace {
  init(_ trace: ChannelzTrace.Snapshot) {
    self.init(
      numEventsLogged: trace.eventsLogged, creationTimestamp: .init(milliseconds: trace.created),
      events: trace.events.map { event in
        .init(
          description: event.description, severity: Self.wire(event.severity),
          timestamp: .init(milliseconds: event.time),
          childRef: event.subchannel.map { .subchannelRef(.init($0)) })
      })
  }

  private static func wire(_ severity: ChannelzTrace.Severity) -> GrpcChannelzV1.ChannelTraceEvent.Severity {
    switch severity {
    case .info: .ctInfo
    case .warning: .ctWarning
    case .error: .ctError
    }
  }
}

extension GrpcChannelzV1.Socket {
  init(_ socket: ChannelzSocketSnapshot) {
    self.init(ref: .init(socket.reference), data: .init())
    guard let connection = socket.connection else {
      local = socket.listening.map { .init($0) }
      return
    }
    data = .init(connection)
    local = connection.local.map { .init($0) }
    remote = connection.remote.map { .init($0) }
    security = connection.tlsVersion.map { .init(model: .tls(.init(cipherSuite: .otherName($0)))) }
    remoteName = connection.peerIdentity.map { $0.spiffeID?.description ?? $0.subject } ?? ""
  }
}

extension GrpcChannelzV1.SocketData {
  init(_ connection: ConnectionSnapshot) {
    let counters = connection.counters
    let created = GoogleProtobuf.Timestamp(milliseconds: counters.lastStreamCreated)
    self.init(
      streamsStarted: counters.streamsStarted, streamsSucceeded: counters.streamsSucceeded,
      streamsFailed: counters.streamsFailed, messagesSent: counters.messagesSent,
      messagesReceived: counters.messagesReceived, keepAlivesSent: counters.keepalivesSent,
      lastLocalStreamCreatedTimestamp: connection.isServer ? nil : created,
      lastRemoteStreamCreatedTimestamp: connection.isServer ? created : nil,
      lastMessageSentTimestamp: .init(milliseconds: counters.lastMessageSent),
      lastMessageReceivedTimestamp: .init(milliseconds: counters.lastMessageReceived),
      localFlowControlWindow: .init(value: Int64(connection.localWindowBytes)),
      remoteFlowControlWindow: .init(value: Int64(connection.remoteWindowBytes)),
      receivedGoawayError: connection.peerGoAway.map { .init(value: $0) },
      peerMaxConcurrentStreams: UInt32(clamping: connection.peerConcurrentStreamsMax))
  }
}

extension GrpcChannelzV1.Address {
  init(_ address: ConnectionAddress) {
    self.init(address: .tcpipAddress(.init(ipAddress: address.bytes, port: Int32(clamping: address.port))))
  }
}
