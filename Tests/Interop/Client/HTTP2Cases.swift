import RPC

/// Cases for which the server breaks the usual course of HTTP/2.
enum HTTP2Cases {
  /// The server sends GOAWAY behind its first answer; the second call must find a new connection by itself.
  static func goAway(_ peer: Peer) async throws {
    try await peer.largeUnary()
    try await peer.largeUnary()
  }

  /// The server resets the stream: the call fails, once, and nothing hangs.
  static func reset(_ peer: Peer) async throws {
    do {
      try await peer.largeUnary(CallOptions(retry: .none))
    } catch is RPCError {
      return
    }
    throw Unexpected("the call succeeded")
  }

  /// The server allows one stream at a time: the others wait for it.
  static func maxStreams(_ peer: Peer) async throws {
    try await peer.largeUnary()
    try await withThrowingTaskGroup { group in
      for _ in 0..<10 { group.addTask { try await peer.largeUnary() } }
      try await group.waitForAll()
    }
  }
}
