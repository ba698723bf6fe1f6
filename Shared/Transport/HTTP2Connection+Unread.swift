internal import HTTP2
internal import NIOCore

/// What streams hold that nobody reads. All streams of a connection share its window: a few whose reader has stopped
/// would use it up and hold up all others. So what a stream keeps unread does not count against the connection's
/// window but against a bound of its own; only beyond that does the connection feel it, and then not for ever.
extension HTTP2Connection {
  /// Gives the connection back what the stream's handler did not take of the bytes that just came.
  func lend(to stream: HTTP2Stream) {
    let more = min(stream.unreadBytes - stream.lentBytes, configuration.unreadBytesMax - lentBytes)
    guard more > 0 else { return }
    if stream.lentBytes == 0 { stream.lastRead = executor.eventLoop.now }
    stream.lentBytes += more
    lentBytes += more
    engine.consume(more)
    scheduleFlush()
  }

  /// Takes what was lent out of bytes that are read at last. Returns how many of them it was.
  func takeBack(from stream: HTTP2Stream, _ count: Int) -> Int {
    let returned = min(count, stream.lentBytes)
    stream.lentBytes -= returned
    lentBytes -= returned
    stream.lastRead = executor.eventLoop.now
    return returned
  }

  /// Once the bound is reached, ends the streams from which nothing has been read for as long as a peer may take to
  /// read something: the others have been waiting for them.
  func endUnreadStreams(_ now: NIODeadline) {
    guard configuration.unreadBytesMax > 0, lentBytes >= configuration.unreadBytesMax else { return }
    for stream in openedStreams where stream.lentBytes > 0 && now - stream.lastRead >= configuration.writeStallTimeout {
      stream.isUnread = true
      stream.reset(.cancel)
    }
  }
}
