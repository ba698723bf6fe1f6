import Messages
import RPC
import Stubs

enum UnaryCases {
  static func empty(_ peer: Peer) async throws {
    let answer = try await peer.unary(
      TestServiceMethods.emptyCall, GrpcTesting.Empty(), as: GrpcTesting.Empty.self)
    try expect(answer.message == GrpcTesting.Empty(), "the answer has fields")
  }

  /// Without a cache on the way this is a unary call like others.
  static func cacheable(_ peer: Peer) async throws {
    let request = GrpcTesting.SimpleRequest(responseSize: 8, payload: GrpcTesting.Payload(body: Array("0123".utf8)))
    let answer = try await peer.unary(
      TestServiceMethods.cacheableUnaryCall, request, as: GrpcTesting.SimpleResponse.self)
    try expect(answer.message.payload?.body.count == 8, "the payload has another size")
  }

  /// A request that is many windows long.
  static func veryLarge(_ peer: Peer) async throws {
    let body = zeros((4 << 20) - 64)
    let answer = try await peer.call(
      GrpcTesting.SimpleRequest(responseSize: 1, payload: GrpcTesting.Payload(body: body)))
    try expect(answer.message.payload?.body.count == 1, "the payload has another size")
  }

  /// All calls go to one server, so all answers name the same one.
  static func pickFirst(_ peer: Peer) async throws {
    var names: Set<String> = []
    for _ in 0..<20 {
      let answer = try await peer.call(GrpcTesting.SimpleRequest(responseSize: 1, fillServerId: true))
      names.insert(answer.message.serverId)
    }
    try expect(names.count == 1, "\(names.count) servers answered")
  }

  static func soak(_ peer: Peer) async throws {
    for _ in 0..<peer.soakIterations { try await peer.largeUnary() }
  }

  /// A new channel for every call.
  static func channelSoak(_ peer: Peer) async throws {
    for _ in 0..<peer.soakIterations {
      let other = peer.another()
      let result: Result<Void, any Error>
      do {
        try await other.largeUnary()
        result = .success(())
      } catch {
        result = .failure(error)
      }
      await other.channel.close()
      try result.get()
    }
  }
}
