import Kernel
import Mongo
import Testing

@Suite("BSON")
struct BSONTests {
  static let everything: BSONDocument = [
    "double": .double(-1.5), "string": "₹ naïve \u{0}", "document": ["a": 1, "b": ["c": nil]],
    "array": [1, "x", [true, [:]]], "binary": .binary([0, 255, 7]), "id": .objectID("000000000000000000000001"),
    "bool": false, "date": .datetime(Timestamp(milliseconds: -1)), "null": nil, "int32": .int32(.min),
    "int64": .int64(.max), "timestamp": .timestamp(1 << 40), "empty": "",
  ]

  // Goal: what is written is read back. Method: every type once, then all of it through a complete check.
  @Test("every type survives a round trip")
  func roundTrip() throws {
    let document = try BSONDocument(validating: Self.everything.bytes)
    #expect(document == Self.everything)
    #expect(try BSONDocument(document.fields().map { ($0.key, $0.value) }) == document)
    #expect(try document.double("double") == -1.5)
    #expect(try document.string("string") == "₹ naïve \u{0}")
    #expect(try document.document("document").document("b").has("c"))
    #expect(try document.array("array").count == 3)
    #expect(try document.binary("binary") == [0, 255, 7])
    #expect(try document.objectID("id") == "000000000000000000000001")
    #expect(try document.bool("bool") == false)
    #expect(try document.datetime("date").milliseconds == -1)
    #expect(try document.optionalString("null") == nil)
    #expect(try document.int64("int32") == Int64(Int32.min))
    #expect(try document.int64("int64") == .max)
  }

  @Test("the bytes are those of the specification's example")
  func knownBytes() {
    let document: BSONDocument = ["hello": "world"]
    #expect(
      document.bytes == [0x16, 0, 0, 0, 2] + Array("hello\u{0}".utf8) + [6, 0, 0, 0] + Array("world\u{0}\u{0}".utf8))
    #expect(BSONDocument().bytes == ([:] as BSONDocument).bytes)
  }

  @Test("fields keep their order, and appended ones come last")
  func order() throws {
    var document: BSONDocument = ["b": 1, "a": 2]
    document.append("c", 3)
    document.append(contentsOf: ["d": 4])
    #expect(try document.fields().map(\.key) == ["b", "a", "c", "d"])
  }

  @Test("wrong types, missing fields and numbers out of range are refused by name")
  func refusals() {
    let document = Self.everything
    #expect(throws: MongoFailure.malformedDocument("`absent` is missing")) { try document.string("absent") }
    #expect(throws: MongoFailure.malformedDocument("`null` is missing")) { try document.string("null") }
    #expect(throws: MongoFailure.malformedDocument("`bool` is bool, not string")) { try document.string("bool") }
    #expect(throws: MongoFailure.malformedDocument("`int64` does not fit int32")) { try document.int32("int64") }
    #expect(throws: MongoFailure.malformedDocument("`array[]` is int64, not string")) {
      try document.strings("array")
    }
  }

  @Test(
    "names that users choose must not be operators, paths or hold NUL", arguments: ["$where", "a.b", "a\u{0}b", ""])
  func userFields(name: String) {
    #expect(throws: MongoFailure.self) { try BSONDocument(userFields: [(name, 1)]) }
  }

  @Test("a NUL in a key or a malformed object id makes the whole document unusable")
  func unusable() {
    let nul: BSONDocument = ["outer": ["a\u{0}b": 1]]
    let id: BSONDocument = ["list": [.objectID("00000000000000000000000G")]]
    #expect(!nul.isUsable)
    #expect(!id.isUsable)
    #expect(!nul.appending("x", 1).isUsable)
    #expect(throws: MongoFailure.self) { try nul.value("x") }
  }

  // Goal: hostile bytes are refused, never trusted. Method: every single-byte change and every truncation of a
  // document with all types is either refused or reads without a trap.
  @Test("changed and truncated bytes are refused or harmless")
  func hostileBytes() {
    let bytes = Self.everything.bytes
    for length in 0..<bytes.count {
      #expect(throws: MongoFailure.self) { try BSONDocument(validating: Array(bytes.prefix(length))) }
    }
    var accepted = 0
    for index in bytes.indices {
      for change: UInt8 in [1, 0x7F, 0x80, 0xFF] {
        var copy = bytes
        copy[index] = copy[index] &+ change
        guard let document = try? BSONDocument(validating: copy) else { continue }
        accepted += 1
        _ = try? document.fields()
        _ = document.description
      }
    }
    #expect(accepted > 0)
  }

  @Test("random bytes never trap", arguments: [1, 2, 3] as [UInt64])
  func randomBytes(seed: UInt64) {
    var state = seed &* 0x9E37_79B9_7F4A_7C15
    for _ in 0..<2_000 {
      var bytes: [UInt8] = []
      for _ in 0..<40 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        bytes.append(UInt8(truncatingIfNeeded: state >> 24) & (bytes.count % 3 == 0 ? 0x1F : 0xFF))
      }
      bytes.replaceSubrange(0..<4, with: [40, 0, 0, 0])
      bytes[39] = 0
      if let document = try? BSONDocument(validating: bytes) { _ = try? document.fields() }
    }
  }

  @Test("nesting is accepted to the server's limit and refused beyond", arguments: [(100, true), (101, false)])
  func nesting(depth: Int, isAccepted: Bool) {
    var document: BSONDocument = [:]
    for _ in 1..<depth { document = ["d": .document(document)] }
    let isSound = (try? BSONDocument(validating: document.bytes)) != nil
    #expect(isSound == isAccepted)
  }
}
