internal import HTTP2
internal import Kernel
internal import Logging
internal import NIOCore
internal import Transport

/// What all calls of a server share. A reference, because every call takes one.
final class ServerCore: Sendable {
  let router: Router
  let chain: CallChain
  let messageBytesMax: Int
  let sentMessageBytesMax: Int
  let requestTimeMax: Duration
  let compressesResponses: Bool
  let logger: Logger
  let workers = LoopWorkers()

  init(_ configuration: RPCServerConfiguration, router: Router, chain: CallChain, logger: Logger) {
    self.router = router
    self.chain = chain
    messageBytesMax = configuration.messageBytesMax
    sentMessageBytesMax = configuration.sentMessageBytesMax
    requestTimeMax = configuration.requestTimeMax
    compressesResponses = configuration.compressesResponses
    self.logger = logger
  }
}

/// Speaks gRPC on the connections of a server. One per connection.
final class ServerAcceptor: StreamAcceptor {
  let core: ServerCore
  let workers: CallWorkers
  /// What the messages of unfinished requests on this connection take up.
  @exclusivity(unchecked) var assemblyBytes = 0
  /// Calls of the current batch of reads whose request is not complete yet.
  @exclusivity(unchecked) private var incomplete: [ServerCall] = []
  /// The latest head: the next is often the same, to the byte.
  @exclusivity(unchecked) private var lastHeaders = HeaderList()
  @exclusivity(unchecked) private var lastHead: RequestHead?
  /// What channelz tells of this loop's calls; nil where it tells nothing.
  let calls: LoopCallCounts?
  private let shown: ChannelzToken?

  init(core: ServerCore, connection: HTTP2Connection, record: ServerRecord?) {
    self.core = core
    workers = core.workers.workers(on: connection.executor.eventLoop)
    calls = record?.calls.counts(on: connection.executor.eventLoop)
    shown = record?.add(connection)
  }

  func accept(_ stream: HTTP2Stream) -> any StreamHandler {
    calls?.began(at: stream.lastStreamCreated)
    return ServerCall(stream: stream, acceptor: self)
  }

  /// What a request's head says.
  func head(_ headers: HeaderList) -> RequestHead {
    if let lastHead, headers.isSame(as: lastHeaders) { return lastHead }
    let head = RequestHead(headers, core.router)
    if headers.isSmall {
      lastHeaders = headers
      lastHead = head
    }
    return head
  }

  /// Nearly every request is complete in the batch of reads that began it. Only for others is a timer worth its cost.
  func requestBegan(_ call: ServerCall) {
    incomplete.append(call)
  }

  func requestEnded(_ call: ServerCall) {
    if incomplete.last === call { incomplete.removeLast() }
  }

  func rest() {
    incomplete = []
    lastHeaders = HeaderList()
    lastHead = nil
  }

  func readEnded() {
    workers.run()
    guard !incomplete.isEmpty else { return }
    for call in incomplete { call.awaitRequest() }
    incomplete.removeAll(keepingCapacity: true)
  }
}
