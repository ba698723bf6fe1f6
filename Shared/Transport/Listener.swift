public import NIOCore
internal import NIOPosix

/// A listening socket.
public struct Listener: Sendable {
  public let host: String
  public let port: Int
  private let channel: any Channel

  /// Listens and prepares every accepted connection with `prepare`, on that connection's loop.
  ///
  /// Throws `TransportFailure.bind`. Port 0 takes any free port, which `port` then names.
  public static func bind(
    host: String, port: Int, on group: any EventLoopGroup,
    prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
  ) async throws -> Listener {
    let bootstrap = ServerBootstrap(group: group)
      .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
      .serverChannelOption(.backlog, value: Listener.backlog)
      .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
      .childChannelOption(.recvAllocator, value: Listener.readBuffers)
      .childChannelOption(.writeBufferWaterMark, value: Listener.writeMarks)
      .childChannelInitializer(prepare)
    do {
      let channel = try await bootstrap.bind(host: host, port: port).get()
      return Listener(host: host, port: channel.localAddress?.port ?? port, channel: channel)
    } catch {
      throw TransportFailure.bind(host: host, port: port, reason: "\(error)")
    }
  }

  private init(host: String, port: Int, channel: any Channel) {
    self.host = host
    self.port = port
    self.channel = channel
  }

  /// Accepts nothing further. Connections that were accepted stay.
  public func close() async {
    try? await channel.close()  // Already closed is closed.
  }

  /// A restart of many clients connects at once; what exceeds this waits for its SYN to be repeated, a second.
  private static let backlog: Int32 = 1_024

  /// A channel keeps the buffer of its last read, so the smallest is what an idle connection costs; it holds some
  /// dozens of small calls. The largest takes several frames of a big message at once.
  static let readBuffers = AdaptiveRecvByteBufferAllocator(minimum: 2 << 10, initial: 2 << 10, maximum: 128 << 10)

  /// Between them a connection counts as not writable, and its engine keeps what it has.
  static let writeMarks = ChannelOptions.Types.WriteBufferWaterMark(low: 256 << 10, high: 1 << 20)
}
