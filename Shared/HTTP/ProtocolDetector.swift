import NIOCore
import Transport

/// Looks at the first bytes of a connection: HTTP/2 begins with a preface that no HTTP/1.1 request can be
/// (RFC 9113, 3.4). Then puts the right handlers in its own place.
final class ProtocolDetector: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private let timeout: Duration
  private let install: (_ isHTTP2: Bool, any Channel) throws -> Void
  private var first: ByteBuffer?
  private var timer: Scheduled<Void>?

  /// `install` adds handlers at the end of the channel's pipeline.
  init(timeout: Duration, install: @escaping (_ isHTTP2: Bool, any Channel) throws -> Void) {
    self.timeout = timeout
    self.install = install
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let channel = context.channel
    timer = context.eventLoop.scheduleTask(in: TimeAmount(timeout)) { channel.close(promise: nil) }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var bytes = first ?? ByteBuffer()
    bytes.writeImmutableBuffer(unwrapInboundIn(data))
    first = bytes
    let seen = bytes.readableBytesView.prefix(Self.preface.count)
    let mayBeHTTP2 = Self.preface.starts(with: seen)
    guard !mayBeHTTP2 || seen.count == Self.preface.count else { return }  // Not enough to tell.
    first = nil
    do {
      try install(mayBeHTTP2, context.channel)
    } catch {
      return context.close(promise: nil)
    }
    context.fireChannelRead(wrapInboundOut(bytes))
    context.fireChannelReadComplete()
    context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is DrainRequest { context.close(promise: nil) }
    context.fireUserInboundEventTriggered(event)
  }

  typealias InboundOut = ByteBuffer
}
