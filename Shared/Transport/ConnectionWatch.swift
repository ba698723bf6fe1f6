internal import NIOCore
internal import Synchronization

/// What the HTTP/2 connections of one event loop share: the timer by which they notice that time has passed, how far
/// the loop is behind, and the buffer they write from. Ten thousand idle connections have one of each.
final class ConnectionWatch: @unchecked Sendable {  // Touched on its event loop only.
  private static let all = Mutex<[ObjectIdentifier: ConnectionWatch]>([:])

  private let eventLoop: any EventLoop
  private var members: [HTTP2Connection] = []
  private var timer: RepeatedTask?
  private var spare: ByteBuffer?
  @exclusivity(unchecked) private var turns = LoopTurns()

  private init(_ eventLoop: any EventLoop) {
    self.eventLoop = eventLoop
  }

  /// The one of this loop, on which the caller is. It is forgotten with its last member.
  static func of(_ eventLoop: any EventLoop) -> ConnectionWatch {
    all.withLock { all in
      let id = ObjectIdentifier(eventLoop)
      if let watch = all[id] { return watch }
      let watch = ConnectionWatch(eventLoop)
      all[id] = watch
      return watch
    }
  }

  func join(_ connection: HTTP2Connection) {
    connection.watchPosition = members.count
    members.append(connection)
    guard timer == nil else { return }
    timer = eventLoop.scheduleRepeatedTask(
      initialDelay: ConnectionConfiguration.watchPeriod, delay: ConnectionConfiguration.watchPeriod
    ) { [self] _ in look() }
  }

  func leave(_ connection: HTTP2Connection) {
    let position = connection.watchPosition
    guard position < members.count, members[position] === connection else { return }
    members.swapAt(position, members.count - 1)
    members[position].watchPosition = position
    members.removeLast()
    guard members.isEmpty else { return }
    timer?.cancel()
    timer = nil
    ConnectionWatch.all.withLock { $0[ObjectIdentifier(eventLoop)] = nil }
  }

  private func look() {
    let now = eventLoop.now
    // Backwards, because a connection that ends here has its place taken by the last one, which has been seen.
    var position = members.count - 1
    while position >= 0 {
      if position < members.count { members[position].look(now) }
      position -= 1
    }
  }

  // MARK: Turns

  /// Something is read. The end of the turn is when the loop has read everything and runs what was put off.
  func hasRead() {
    guard turns.begin(.now) else { return }
    eventLoop.execute { [self] in turns.end(.now) }
  }

  /// How late the loop comes to what it is reading, if it has fallen behind.
  var lag: Duration { turns.isBehind ? turns.lag(.now) : .zero }

  // MARK: The buffer

  /// An empty buffer to write from. Whoever takes it gives it back when it has been written.
  func takeBuffer() -> ByteBuffer {
    defer { spare = nil }
    return spare ?? ByteBuffer()
  }

  func giveBack(_ buffer: inout ByteBuffer) {
    guard buffer.capacity <= ConnectionWatch.spareBytesMax else { return }
    spare = buffer
    buffer = ByteBuffer()
  }

  /// One write and the frame that exceeds it, rounded up.
  private static let spareBytesMax = 2 * ConnectionConfiguration.writeBytesMax
}
