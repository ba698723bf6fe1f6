import Testing

@testable import RPC

@Suite("Responses that wait for their reader")
struct ResponseInboxTests {
  @Test("messages come out as they went in, whatever the pieces", arguments: [1, 3, 7, 1_000])
  func pieces(size: Int) throws {
    let messages = [[], [1], [2, 3, 4], [UInt8](repeating: 5, count: 50)]
    let bytes = messages.flatMap { Framing.frame($0) }
    var inbox = ResponseInbox(bytesMax: 100)
    var (seen, taken): ([[UInt8]], Int) = ([], 0)
    for start in stride(from: 0, to: bytes.count, by: size) {
      let piece = Array(bytes[start..<min(start + size, bytes.count)])
      inbox.keep(piece.span.bytes)
      while true {
        let (message, count) = try inbox.next()
        taken += count
        guard let message else { break }
        seen.append(message)
      }
    }
    #expect(seen == messages)
    #expect(taken == bytes.count)
    #expect(inbox.isEmpty)
    #expect(inbox.messages == 4)
  }

  // Goal: memory is bounded by what is not yet taken. Method: always one message behind, ten thousand times.
  @Test("a reader that is always a little behind does not make it keep everything")
  func lagging() throws {
    var inbox = ResponseInbox(bytesMax: 100)
    let frame = Framing.frame([UInt8](repeating: 1, count: 95))
    inbox.keep(frame.span.bytes)
    var most = 0
    for _ in 0..<10_000 {
      inbox.keep(frame.span.bytes)
      let message = try inbox.next().message
      #expect(message?.count == 95)
      most = max(most, inbox.heldBytes)
    }
    #expect(most <= 4 * frame.count)
  }
}
