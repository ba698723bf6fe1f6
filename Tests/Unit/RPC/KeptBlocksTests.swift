import CNghttp2
import Testing

@Suite("Blocks kept for nghttp2")
struct KeptBlocksTests {
  // Goal: no write behind the end of a block, whatever malloc the process runs with: each has usable sizes of its own.
  @Test("a block is only found by those for whom it is large enough, and glibc's are found again")
  func sizes() {
    for size in 1...Int(MOBO_KEPT_SIZE_MAX) {
      let place = mobo_place_for(size)
      #expect((1..<size).filter { mobo_place_of($0) == place } == [], "too small for \(size)")
      #expect(mobo_place_of(max(24, (size + 7) / 16 * 16 + 8)) == place)
    }
  }

  @Test("what was given back is taken again")
  func again() throws {
    let block = try #require(mobo_block_take(100))
    mobo_block_give(block)
    let next = mobo_block_take(100)
    #expect(next == block)
    mobo_block_give(next)
  }
}
