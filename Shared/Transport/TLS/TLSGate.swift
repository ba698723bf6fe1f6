internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// Stands between TLS and HTTP/2 until the handshake is done and the peer is known to be who it must be.
///
/// The connection behind it sees a channel that becomes active only then, so neither end sends or takes a byte of
/// HTTP/2 before. Afterwards the gate leaves the pipeline.
final class TLSGate: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  static let applicationProtocol = "h2"
  /// How long a peer may take to confirm the end of TLS. Nothing depends on its answer.
  static let closeTimeout = TimeAmount.seconds(1)

  private enum State {
    case handshaking
    case open
    case refused
  }

  private let tls: NIOSSLHandler
  private let credentials: TLSCredentials
  private let connection: HTTP2Connection
  /// Who the other end must be; nil takes everybody whose certificate is good.
  private let expected: SPIFFEID?
  private let began: NIODeadline
  private let timeout: TimeAmount
  /// Told once: nil when the connection is open, else why not.
  private var outcome: ((TLSRefusal?) -> Void)?
  private var state = State.handshaking
  private var timer: Scheduled<Void>?

  init(
    _ tls: NIOSSLHandler, _ credentials: TLSCredentials, _ connection: HTTP2Connection, expected: SPIFFEID? = nil,
    began: NIODeadline = .now(), timeout: TimeAmount, outcome: @escaping (TLSRefusal?) -> Void
  ) {
    self.tls = tls
    self.credentials = credentials
    self.connection = connection
    self.expected = expected
    self.began = began
    self.timeout = timeout
    self.outcome = outcome
  }

  func handlerAdded(context: ChannelHandlerContext) {
    let limit = NIOLoopBound(context, eventLoop: context.eventLoop)
    timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: began + timeout) {
      self.refuse(.timeout, limit.value)
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    end(.closed)
  }

  func channelActive(context: ChannelHandlerContext) {
    // Not passed on: that is what the gate is for.
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    if state == .open { context.fireChannelRead(data) }
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted(let negotiated)? = event as? TLSUserEvent, state == .handshaking {
      return complete(negotiated, context)
    }
    context.fireUserInboundEventTriggered(event)
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard state == .handshaking else { return context.fireErrorCaught(error) }
    if case NIOSSLError.handshakeFailed(.sslError([.eofDuringHandshake])) = error { return refuse(.closed, context) }
    refuse(.handshake("\(error)"), context)
  }

  func channelInactive(context: ChannelHandlerContext) {
    end(.closed)
    context.fireChannelInactive()
  }

  private func complete(_ negotiated: String?, _ context: ChannelHandlerContext) {
    guard negotiated == Self.applicationProtocol else {
      return refuse(.handshake("the peer did not agree to speak \(Self.applicationProtocol)"), context)
    }
    let identity: PeerIdentity?
    do throws(TLSRefusal) { identity = try peer() } catch { return refuse(error, context) }
    if let expected, identity?.spiffeID != expected {
      let found = identity?.uris.joined(separator: ", ") ?? ""
      return refuse(.handshake("the server must be \(expected), and its certificate says '\(found)'"), context)
    }
    state = .open
    connection.secured = (identity, began)
    end(nil)
    context.fireChannelActive()
    context.pipeline.syncOperations.removeHandler(self, promise: nil)
  }

  private func peer() throws(TLSRefusal) -> PeerIdentity? {
    guard let certificate = tls.peerCertificate else { return nil }
    // A resumed session is not verified again, and may be older than the certificate was to become.
    guard credentials.isValid(until: Int64(certificate.notValidAfter)) else {
      throw .handshake("the peer's certificate has expired")
    }
    do { return try PeerIdentity(certificate) } catch {
      throw .handshake("the names in the peer's certificate cannot be read")
    }
  }

  private func refuse(_ reason: TLSRefusal, _ context: ChannelHandlerContext) {
    guard state == .handshaking else { return }
    state = .refused
    end(reason)
    context.close(promise: nil)
  }

  private func end(_ reason: TLSRefusal?) {
    timer?.cancel()
    timer = nil
    guard let outcome else { return }
    self.outcome = nil
    credentials.handshakeEnded(isGood: reason == nil)
    outcome(reason)
  }
}

/// Why a connection did not come to HTTP/2.
enum TLSRefusal: Error, Hashable, CustomStringConvertible {
  case handshake(String)
  case timeout
  /// The peer went away.
  case closed

  var description: String {
    switch self {
    case .handshake(let reason): reason
    case .timeout: "the TLS handshake took too long"
    case .closed: "the connection was closed during the TLS handshake"
    }
  }
}
