import Kernel
import Testing

@Suite("Ids, codes and cursors")
struct IDTests {
  @Test(
    "only 24 lower-case hex characters are an id",
    arguments: [
      ("65f0c0ffee65f0c0ffee65f0", true), ("65F0C0FFEE65F0C0FFEE65F0", false), ("65f0c0ffee65f0c0ffee65f", false),
      ("65f0c0ffee65f0c0ffee65f0a", false), ("", false), ("65f0c0ffee65f0c0ffee65fg", false),
    ])
  func validity(text: String, valid: Bool) {
    #expect((UserID(text) != nil) == valid)
  }

  @Test("generated ids are valid and differ")
  func generation() {
    let now = Timestamp(milliseconds: 1_750_000_000_000)
    let ids = (0..<1_000).map { _ in OrderID.generate(at: now) }
    #expect(Set(ids).count == ids.count)
    #expect(ids.allSatisfy { OrderID($0.rawValue) != nil })
  }

  @Test("an id is its twelve bytes: text, order and bytes agree")
  func bytes() throws {
    let texts = [
      "000000000000000000000000", "0123456789abcdef01234567", "0123456789abcdef01234568", "ffffffffffffffffffffffff",
    ]
    let ids = try texts.map { try #require(ObjectID($0)) }
    #expect(ids.map(\.hex) == texts)
    #expect(ids.shuffled().sorted() == ids)
    for id in ids {
      let bytes = withUnsafeTemporaryAllocation(byteCount: ObjectID.byteCount, alignment: 1) { buffer in
        id.store(to: buffer.baseAddress!)
        return Array(buffer)
      }
      #expect(bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == id.hex)
      #expect(bytes.withUnsafeBytes { ObjectID(bytes: $0) } == id)
    }
    let next = ObjectID.generate(at: Timestamp(milliseconds: 0x1234_5678 * 1_000))
    #expect(next.hex.hasPrefix("12345678"))
  }

  @Test(
    "codes are trimmed and upper-cased, then checked",
    arguments: [(" med_test ", "MED_TEST"), ("A1", "A1"), ("a", nil), ("_AB", nil), ("ÄB", nil), ("AB CD", nil)]
      as [(String, String?)])
  func codes(text: String, expected: String?) {
    #expect(PartyCode(text)?.rawValue == expected)
  }

  @Test("a cursor belongs to its filters")
  func cursors() throws {
    let id = ObjectID.generate(at: Timestamp(milliseconds: 1))
    let text = Cursor(createdAt: Timestamp(milliseconds: 17), id: id).text(filters: ["status=open"])
    let page = try PageRequest(size: 0, cursor: text, includeTotal: false, filters: ["status=open"])
    #expect(page.after == Cursor(createdAt: Timestamp(milliseconds: 17), id: id))
    #expect(page.size == 50)
    #expect(throws: Failure.self) {
      try PageRequest(size: 0, cursor: text, includeTotal: false, filters: ["status=closed"])
    }
    #expect(throws: Failure.self) { try PageRequest(size: 0, cursor: "zz", includeTotal: false, filters: []) }
  }

  @Test("page sizes: none is the default, large ones are clamped, negative ones refused")
  func pageSizes() throws {
    #expect(try PageRequest(size: 201, cursor: "", includeTotal: false, filters: []).size == 200)
    #expect(throws: Failure.self) { try PageRequest(size: -1, cursor: "", includeTotal: false, filters: []) }
  }
}
