internal import HTTP2
internal import Transport

/// Answers a request that is not gRPC at all, in HTTP's own terms and with a line for people.
///
/// It waits for the end of the request: whoever sends one that is malformed should be told that, and an answer before
/// its end would take the place of it. A request that is too long for this gets its answer at once.
final class PlainRefusal {
  private let stream: HTTP2Stream
  private let head: StaticHeaders
  private let hasBody: Bool
  private var receivedBytes = 0

  init(_ stream: HTTP2Stream, _ head: StaticHeaders, hasBody: Bool) {
    self.stream = stream
    self.head = head
    self.hasBody = hasBody
  }

  /// Takes a piece of the body; true if it is time to answer.
  func received(_ count: Int, isEnd: Bool) -> Bool {
    receivedBytes += count
    return isEnd || receivedBytes > Limits.plainRequestBytesMax
  }

  func answer() {
    stream.send(headers: head, isEnd: !hasBody)
    if hasBody {
      stream.send(WireHeaders.notGRPC)
      stream.finish()
    }
    stream.stopPeer()
  }
}
