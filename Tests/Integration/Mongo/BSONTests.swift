import Kernel
import Mongo
import Testing

@Suite("BSON")
struct BSONTests {
  static let everything: BSONDocument = [
    "double": .double(-1.5), "string": "₹ naïve \u{0}", "document": ["a": 1, "b": ["c": nil]],
    "array": [1, "x", [true, [:]]], "binary": .binary([0, 255, 7]),
    "id": .objectID(ObjectID("000000000000000000000001")!), "bool": false,
    "date": .datetime(Timestamp(milliseconds: -1)), "null": nil, "int32": .int32(.min),
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
    #expect(try document.objectID("id").hex == "000000000000000000000001")
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

  @Test("a NUL in a key makes the whole document unusable")
  func unusable() {
    let nul: BSONDocument = ["outer": ["a\u{0}b": 1]]
    let written = BSONDocument(capacity: 64) { $0.append("inner", nul) }
    #expect(!nul.isUsable)
    #expect(!written.isUsable)
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

  /// A small generator, so that a failure is repeated by its seed.
  private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = state
      mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }
  }

  private static func text(_ random: inout Generator) -> String {
    let characters = ["₹", "a", "\u{0}", "ß"]
    return (0..<Int.random(in: 0...12, using: &random))
      .map { _ in characters[Int.random(in: 0..<characters.count, using: &random)] }.joined()
  }

  private static func document(depth: Int, _ random: inout Generator) -> BSONDocument {
    BSONDocument((0..<Int.random(in: 0...6, using: &random)).map { ("f\($0)", value(depth: depth, &random)) })
  }

  private static func value(depth: Int, _ random: inout Generator) -> BSONValue {
    switch Int.random(in: 0...(depth > 0 ? 11 : 9), using: &random) {
    case 0: .double(Double(Int.random(in: -9...9, using: &random)))
    case 1: .string(text(&random))
    case 2: .binary((0..<Int.random(in: 0...9, using: &random)).map { _ in .random(in: 0...255, using: &random) })
    case 3: .objectID(ObjectID("0123456789abcdef01234567")!)
    case 4: .bool(.random(using: &random))
    case 5: .datetime(Timestamp(milliseconds: .random(in: -9_999...9_999, using: &random)))
    case 6: .null
    case 7: .int32(.random(in: .min ... .max, using: &random))
    case 8: .int64(.random(in: .min ... .max, using: &random))
    case 9: .timestamp(random.next())
    case 10: .document(document(depth: depth - 1, &random))
    default: .array((0..<3).map { _ in value(depth: depth - 1, &random) })
    }
  }

  // Goal: no bytes, however they came about, make a reader trap, read beyond its buffer or disagree with itself.
  // Method: random documents, whole and with a few bytes changed, cut out or put in; what is accepted must be read
  // completely, and what the writer makes of it stays the same from then on (arrays get their usual keys).
  @Test("mutated documents are refused or read completely", arguments: [11, 12, 13, 14] as [UInt64])
  func mutations(seed: UInt64) throws {
    var random = Generator(state: seed)
    var accepted = 0
    for _ in 0..<600 {
      let original = Self.document(depth: 3, &random)
      #expect(try BSONDocument(validating: original.bytes) == original, "seed \(seed)")
      #expect(try BSONDocument(original.fields().map { ($0.key, $0.value) }) == original, "seed \(seed)")
      for _ in 0..<6 {
        var bytes = original.bytes
        for _ in 0..<Int.random(in: 1...3, using: &random) {
          let index = Int.random(in: bytes.indices, using: &random)
          switch Int.random(in: 0...3, using: &random) {
          case 0: bytes[index] = .random(in: 0...255, using: &random)
          case 1: bytes[index] &+= 1
          case 2: bytes.insert(.random(in: 0...255, using: &random), at: index)
          default: if bytes.count > 1 { bytes.remove(at: index) }
          }
        }
        // Half of them with a length that is right again, to get beyond the first check.
        if Bool.random(using: &random), bytes.count >= 5 {
          withUnsafeBytes(of: Int32(bytes.count).littleEndian) { bytes.replaceSubrange(0..<4, with: $0) }
        }
        guard let document = try? BSONDocument(validating: bytes) else { continue }
        accepted += 1
        let again = try BSONDocument(document.fields().map { ($0.key, $0.value) })
        let fields = try BSONDocument(validating: again.bytes).fields()
        #expect(fields.map(\.key) == (try document.fields().map(\.key)), "seed \(seed)")
        #expect(BSONDocument(fields.map { ($0.key, $0.value) }).bytes == again.bytes, "seed \(seed)")
      }
    }
    #expect(accepted > 100)
  }

  @Test("nesting is accepted to the server's limit and refused beyond", arguments: [(100, true), (101, false)])
  func nesting(depth: Int, isAccepted: Bool) {
    var document: BSONDocument = [:]
    for _ in 1..<depth { document = ["d": .document(document)] }
    let isSound = (try? BSONDocument(validating: document.bytes)) != nil
    #expect(isSound == isAccepted)
  }
}
