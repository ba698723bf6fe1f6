import Testing

@testable import RPC

/// What the standard library of Python makes of texts, in hexadecimal digits.
private enum Vectors {
  static let text = Array(
    "the quick brown fox jumps over the lazy dog, and once more: the quick brown fox jumps over the lazy dog".utf8)
  static let zlib = bytes(
    "789c2bc94855282ccd4cce56482aca2fcf5348cbaf50c82acd2d2856c82f4b2d5228014ae72456552aa4e4a7eb2824e6a528"
      + "e4e725a72ae4e617a55a812589d40b009b362564")
  static let gzip = bytes(
    "1f8b08000000000002032bc94855282ccd4cce56482aca2fcf5348cbaf50c82acd2d2856c82f4b2d5228014ae72456552aa4"
      + "e4a7eb2824e6a528e4e725a72ae4e617a55a812589d40b000b00ad6667000000")
  /// A member with the name of a file in its head.
  static let named = bytes(
    "1f8b08080700000002ff6e2e74787400cb4bcc4d4d010087cce07105000000")
  static let emptyZlib = bytes("789c030000000001")
  static let emptyGzip = bytes("1f8b080000000000020303000000000000000000")
  /// zlib with a preset dictionary, which the reader would have to know.
  static let dictionary = bytes(
    "78bb1155037f2b813114928af2cbf314d2f22b14b24a730b8a15f2cb528b1440d2398955950a29f9e93a0a8979290af979c9"
      + "a90ab9f945a9560a24e805009b362564")
  /// Neither of the two: deflated bytes with nothing around them.
  static let raw = bytes("2b4a2c0700")

  /// Bytes that can hardly be compressed.
  static func noise(_ count: Int) -> [UInt8] {
    var random = SystemRandomNumberGenerator()
    let words = (0..<count / 8 + 1).map { _ in random.next() }
    return words.withUnsafeBytes { Array($0.prefix(count)) }
  }

  static func bytes(_ digits: String) -> [UInt8] {
    let digits = digits.utf8.map { UInt8($0 < 0x3A ? $0 - 0x30 : $0 - 0x57) }
    return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }
}

@Suite("Messages are compressed")
struct CompressionTests {
  static let formats: [MessageEncoding] = [.deflate, .gzip]

  private func refusal(
    _ encoding: MessageEncoding, _ bytes: [UInt8], bytesMax: Int = 1 << 20
  ) -> DecompressionFailure? {
    do throws(DecompressionFailure) {
      _ = try encoding.decompress(bytes, bytesMax: bytesMax)
      return nil
    } catch {
      return error
    }
  }

  // MARK: Names

  @Test("an encoding is known by its name on the wire, and by no other")
  func names() {
    #expect(MessageEncoding(wire: "gzip".utf8) == .gzip)
    #expect(MessageEncoding(wire: "deflate".utf8) == .deflate)
    #expect(MessageEncoding(wire: "identity".utf8) == .identity)
    for name in ["", "GZIP", "gzip ", "zstd", "snappy", "x-gzip"] { #expect(MessageEncoding(wire: name.utf8) == nil) }
    for encoding in MessageEncoding.allCases { #expect(encoding.isAccepted(by: MessageEncoding.accepted)) }
  }

  @Test(
    "a peer's list of encodings is read with any spacing",
    arguments: [
      ("gzip", true), ("identity,deflate,gzip", true), ("identity, gzip , deflate", true), ("identity", false),
      ("", false), ("gzipped", false), ("x-gzip,deflate", false), (",,gzip", true),
    ])
  func lists(list: String, isAccepted: Bool) {
    #expect(MessageEncoding.gzip.isAccepted(by: list) == isAccepted)
    #expect(MessageEncoding.identity.isAccepted(by: list))
  }

  // MARK: Both ways

  @Test("what Python compressed is read")
  func vectors() throws {
    #expect(try MessageEncoding.deflate.decompress(Vectors.zlib, bytesMax: 1_000) == Vectors.text)
    #expect(try MessageEncoding.gzip.decompress(Vectors.gzip, bytesMax: 1_000) == Vectors.text)
    #expect(try MessageEncoding.gzip.decompress(Vectors.named, bytesMax: 1_000) == Array("named".utf8))
    #expect(try MessageEncoding.deflate.decompress(Vectors.emptyZlib, bytesMax: 0) == [])
    #expect(try MessageEncoding.gzip.decompress(Vectors.emptyGzip, bytesMax: 0) == [])
  }

  @Test("what is compressed is read again, whatever its size and content", arguments: formats)
  func roundTrips(encoding: MessageEncoding) throws {
    let block = Limits.decompressionBlockMin
    for count in [0, 1, 2, 100, block - 1, block, block + 1, 4 * block, 100_000] {
      let noise = Vectors.noise(count)
      let few = noise.map { $0 & 3 }
      for message in [noise, few, [UInt8](repeating: 7, count: count)] {
        let compressed = try encoding.compress(message)
        #expect(try encoding.decompress(compressed, bytesMax: count) == message, "\(count) bytes")
      }
    }
    #expect(try encoding.compress([UInt8](repeating: 7, count: 100_000)).count < 1_000)
  }

  @Test("a slice is read like an array")
  func slices() throws {
    let around = [1, 2] + Vectors.gzip + [3]
    #expect(try MessageEncoding.gzip.decompress(around[2..<around.count - 1], bytesMax: 1_000) == Vectors.text)
  }

  @Test("identity changes nothing and has the same limit")
  func identity() throws {
    #expect(try MessageEncoding.identity.compress([1, 2]) == [1, 2])
    #expect(try MessageEncoding.identity.decompress([1, 2], bytesMax: 2) == [1, 2])
    #expect(refusal(.identity, [1, 2], bytesMax: 1) == .tooLarge(bytesMax: 1))
  }

  // MARK: The limit

  @Test("a message of the limit passes and one byte more does not", arguments: formats)
  func limit(encoding: MessageEncoding) throws {
    let block = Limits.decompressionBlockMin
    for count in [1, 2, 100, block - 1, block, block + 1, 2 * block, 3 * block + 1, 200_000] {
      for value: UInt8 in [0, 1] {
        // All alike, and hardly to be compressed.
        let message = value == 0 ? [UInt8](repeating: 9, count: count) : Vectors.noise(count)
        let compressed = try encoding.compress(message)
        #expect(try encoding.decompress(compressed, bytesMax: count) == message)
        #expect(refusal(encoding, compressed, bytesMax: count - 1) == .tooLarge(bytesMax: count - 1))
      }
    }
  }

  @Test("a bomb is refused at the limit and takes no more memory than that", arguments: formats)
  func bomb(encoding: MessageEncoding) throws {
    let bomb = try encoding.compress([UInt8](repeating: 0, count: 16 << 20))
    #expect(bomb.count < (16 << 20) / 1_000)
    #expect(refusal(encoding, bomb, bytesMax: 1 << 20) == .tooLarge(bytesMax: 1 << 20))
    let opened = try encoding.decompress(encoding.compress([UInt8](repeating: 0, count: 1 << 20)), bytesMax: 1 << 20)
    #expect(opened.capacity < (1 << 20) + 4_096)
  }

  @Test("the size that a gzip trailer claims costs nothing")
  func claimedSize() {
    var lying = Vectors.gzip
    lying.replaceSubrange(lying.count - 4..<lying.count, with: [0xFF, 0xFF, 0xFF, 0x7F])
    #expect(refusal(.gzip, lying) == .malformed)
  }

  // MARK: Malformed bytes

  @Test("a message that is cut off anywhere is malformed")
  func truncated() {
    for count in 0..<Vectors.gzip.count { #expect(refusal(.gzip, Array(Vectors.gzip[..<count])) == .malformed) }
    for count in 0..<Vectors.zlib.count { #expect(refusal(.deflate, Array(Vectors.zlib[..<count])) == .malformed) }
    // Also where the output is exactly as large as it may be when the input ends.
    let most = Vectors.text.count
    for count in 0..<Vectors.gzip.count {
      #expect(refusal(.gzip, Array(Vectors.gzip[..<count]), bytesMax: most) == .malformed)
    }
  }

  @Test("a message followed by anything else is malformed")
  func trailing() {
    #expect(refusal(.gzip, Vectors.gzip + [0]) == .malformed)
    #expect(refusal(.gzip, Vectors.gzip + Vectors.zlib) == .malformed)
    #expect(refusal(.deflate, Vectors.zlib + [0]) == .malformed)
    #expect(refusal(.deflate, Vectors.zlib + Vectors.zlib) == .malformed)
  }

  @Test("the members of a gzip message are one message, and so is their limit")
  func members() throws {
    let two = Vectors.named + Vectors.emptyGzip + Vectors.gzip
    let message = Array("named".utf8) + Vectors.text
    #expect(try MessageEncoding.gzip.decompress(two, bytesMax: message.count) == message)
    #expect(refusal(.gzip, two, bytesMax: message.count - 1) == .tooLarge(bytesMax: message.count - 1))
    #expect(refusal(.gzip, Vectors.gzip + Vectors.named.dropLast()) == .malformed)
    let many = (0..<10_000).flatMap { _ in Vectors.emptyGzip }
    #expect(try MessageEncoding.gzip.decompress(many, bytesMax: 0) == [])
  }

  @Test("other formats and spoilt bytes are malformed")
  func spoilt() {
    #expect(refusal(.gzip, Vectors.zlib) == .malformed)
    #expect(refusal(.deflate, Vectors.gzip) == .malformed)
    #expect(refusal(.deflate, Vectors.raw) == .malformed)
    #expect(refusal(.deflate, Vectors.dictionary) == .malformed)
    var spoilt = Vectors.zlib
    spoilt[spoilt.count - 1] ^= 1  // The checksum.
    #expect(refusal(.deflate, spoilt) == .malformed)
  }

  @Test("random bytes never do more than fail", arguments: formats)
  func noise(encoding: MessageEncoding) {
    var random = SystemRandomNumberGenerator()
    let valid = encoding == .gzip ? Vectors.gzip : Vectors.zlib
    for _ in 0..<1_000 {
      var bytes = valid
      for _ in 0..<Int.random(in: 1...4) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      let opened = try? encoding.decompress(bytes, bytesMax: 4_096)
      #expect(opened?.count ?? 0 <= 4_096)
    }
  }

  // MARK: The pool

  @Test("a stream is usable again after every failure, and only a few are kept")
  func pool() throws {
    let pool = ZlibPool(idleMax: 2) { Decompressor(.gzip) }
    func open(_ bytes: [UInt8], bytesMax: Int = 1_000) -> [UInt8]? {
      try? pool.with { stream throws(DecompressionFailure) in try stream.decompress(bytes, bytesMax: bytesMax) }
    }
    for _ in 0..<3 {
      #expect(open(Vectors.zlib) == nil)
      #expect(open(Array(Vectors.gzip.dropLast())) == nil)
      #expect(open(Vectors.gzip, bytesMax: 5) == nil)
      #expect(open(Vectors.gzip) == Vectors.text)
      #expect(pool.idleCount == 1)
    }
    let duringThree = try pool.with { _ throws(DecompressionFailure) in
      try pool.with { _ throws(DecompressionFailure) in
        try pool.with { _ throws(DecompressionFailure) in pool.idleCount }
      }
    }
    #expect(duringThree == 0)
    #expect(pool.idleCount == 2)
  }

  @Test("without memory for a stream the message is refused")
  func outOfMemory() {
    let pool = ZlibPool<Decompressor>(idleMax: 1) { nil }
    var refusal: DecompressionFailure?
    do throws(DecompressionFailure) {
      try pool.with { _ throws(DecompressionFailure) in }
    } catch {
      refusal = error
    }
    #expect(refusal == .outOfMemory)
  }

  @Test("messages are compressed and read on many tasks at once")
  func concurrency() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<8 {
        group.addTask {
          let message = [UInt8](repeating: UInt8(number), count: 10_000 + number)
          for _ in 0..<20 {
            let encoding = number % 2 == 0 ? MessageEncoding.gzip : .deflate
            let opened = try encoding.decompress(encoding.compress(message), bytesMax: 20_000)
            #expect(opened == message)
          }
        }
      }
      try await group.waitForAll()
    }
    #expect(Compressor.gzip.idleCount <= Limits.idleCompressorsMax)
    #expect(Decompressor.gzip.idleCount <= Limits.idleDecompressorsMax)
  }

  @Test("what a peer is told")
  func statuses() {
    #expect(RPCError(DecompressionFailure.tooLarge(bytesMax: 5)).code == .resourceExhausted)
    #expect(RPCError(DecompressionFailure.malformed).code == .internal)
  }
}
