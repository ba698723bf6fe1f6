public import Messages
public import RPC
public import Stubs

/// `grpc.channelz.v1.Channelz`: what the process is connected to, and what became of the calls.
public struct ChannelzService: ChannelzHandlers {
  /// What a list has when the caller names no number, and the most it has at all: a socket of a list is a few dozen
  /// bytes, a channel with its trace a few kilobytes.
  static let pageSizeDefault = 100
  static let pageSizeMax = 500

  private let channelz: Channelz

  public init(_ channelz: Channelz) {
    self.channelz = channelz
  }

  public func getTopChannels(
    _ request: GrpcChannelzV1.GetTopChannelsRequest, _ context: CallContext
  ) async throws -> GrpcChannelzV1.GetTopChannelsResponse {
    let page = await channelz.channels(
      from: request.startChannelId, atMost: try Self.pageSize(request.maxResults))
    return GrpcChannelzV1.GetTopChannelsResponse(channel: page.items.map { .init($0) }, end: page.isEnd)
  }

  public func getServers(
    _ request: GrpcChannelzV1.GetServersRequest, _ context: CallContext
  ) async throws -> GrpcChannelzV1.GetServersResponse {
    let page = await channelz.servers(
      from: request.startServerId, atMost: try Self.pageSize(request.maxResults))
    return GrpcChannelzV1.GetServersResponse(server: page.items.map { .init($0) }, end: page.isEnd)
  }

  public func getServer(
    _ request: GrpcChannelzV1.GetServerRequest, _ context: CallContext
  ) async throws -> GrpcChannelzV1.GetServerResponse {
    guard let server = await channelz.server(request.serverId) else { throw Self.missing("server", request.serverId) }
    return GrpcChannelzV1.GetServerResponse(server: .init(server))
  }

  public func getServerSockets(
    _ request: GrpcChannelzV1.GetServerSocketsRequest, _ context: CallContext
  ) async throws -> GrpcChannelzV1.GetServerSocketsResponse {
    let size = try Self.pageSize(request.maxResults)
    guard let page = channelz.sockets(ofServer: request.serverId, from: request.startSocketId, atMost: size)
    else { throw Self.missing("server", request.serverId) }
    return GrpcChannelzV1.GetServerSocketsResponse(socketRef: page.items.map { .init($0) }, end: page.isEnd)
  }

  public func getChannel(
    _ request: GrpcChannelzV1.GetChannelRequest, _ context: CallContext
  ) async throws -> GrpcChannelzV1.GetChannelResponse {
    guard let channel = await channelz.channel(request.channelId) else {
      throw Self.missing("channel", request.channelId)
    }
    return GrpcChannelzV1.GetChannelResponse(channel: .init(channel))
  }

  public func getSubchannel(
    _ request: GrpcChannelzV1.GetSubchannelRequest, _ context: CallContext
  ) async throws -> GrpcChannelzV1.GetSubchannelResponse {
    guard let subchannel = await channelz.subchannel(request.subchannelId) else {
      throw Self.missing("subchannel", request.subchannelId)
    }
    return GrpcChannelzV1.GetSubchannelResponse(subchannel: .init(subchannel))
  }

  public func getSocket(
    _ request: GrpcChannelzV1.GetSocketRequest, _ context: CallContext
  ) async throws -> GrpcChannelzV1.GetSocketResponse {
    guard let socket = await channelz.socket(request.socketId) else { throw Self.missing("socket", request.socketId) }
    return GrpcChannelzV1.GetSocketResponse(socket: .init(socket))
  }

  private static func pageSize(_ asked: Int64) throws(RPCError) -> Int {
    guard asked >= 0 else { throw RPCError(.invalidArgument, "max_results must not be negative") }
    return asked == 0 ? pageSizeDefault : Int(min(asked, Int64(pageSizeMax)))
  }

  private static func missing(_ what: String, _ id: Int64) -> RPCError {
    RPCError(.notFound, "there is no \(what) \(id)")
  }
}
