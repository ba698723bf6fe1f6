import AuditDomain
import Kernel
import Testing

@Suite("Audit metadata")
struct AuditMetadataTests {
  private func refusal(_ metadata: AuditMetadata) -> Failure? {
    do {
      try metadata.validate(path: "entries[3].metadata")
      return nil
    } catch {
      return error
    }
  }

  /// Metadata of exactly `bytes` as stored: 5 of the document, 3 of the member `k`, 5 of the string, and the text.
  private func metadata(bytes: Int) -> AuditMetadata {
    ["k": .string(String(repeating: "x", count: bytes - 13))]
  }

  @Test("sizes are those of the stored form")
  func sizes() {
    #expect(AuditMetadata([:]).storedBytes == 5)
    #expect(metadata(bytes: 100).storedBytes == 100)
    #expect(AuditMetadata(["a": .bool(true), "b": .null, "c": .number(1)]).storedBytes == 5 + 3 * 3 + 1 + 8)
    // Array members are named by their position, so the eleventh costs one byte more than the tenth.
    let ten = AuditMetadata(["l": .list(Array(repeating: .null, count: 10))])
    let eleven = AuditMetadata(["l": .list(Array(repeating: .null, count: 11))])
    #expect(ten.storedBytes == 5 + 3 + 5 + 10 * 3)
    #expect(eleven.storedBytes == ten.storedBytes + 4)
    // A name or text counts in bytes, not in characters.
    #expect(AuditMetadata(["ä": .string("₹")]).storedBytes == 5 + 2 + 2 + 5 + 3)
  }

  @Test("16 KiB are accepted and one byte more is not")
  func limit() {
    #expect(refusal(metadata(bytes: 16_384)) == nil)
    let refused = refusal(metadata(bytes: 16_385))
    #expect(refused?.code == .validationFailed)
    #expect(refused?.violations.map(\.path) == ["entries[3].metadata"])
  }

  @Test("sixteen levels are accepted and seventeen are not")
  func depth() {
    func nested(_ levels: Int) -> AuditMetadata {
      var value = AuditValue.string("x")
      for level in 1..<levels { value = level.isMultiple(of: 2) ? .list([value]) : .object(["a": value]) }
      return ["a": value]
    }
    #expect(refusal(nested(16)) == nil)
    #expect(refusal(nested(17))?.code == .validationFailed)
  }

  @Test("members that the database would read as something else are refused at every level")
  func keys() {
    #expect(refusal(["$set": .null])?.code == .validationFailed)
    #expect(refusal(["a": .list([.object(["$where": .string("1")])])])?.code == .validationFailed)
    #expect(refusal(["a\u{0}b": .null])?.code == .validationFailed)
    #expect(refusal(["a$b": .string("$set"), "a.b": .number(1)]) == nil)
  }

  @Test("numbers that JSON cannot write are refused", arguments: [Double.nan, .infinity, -.infinity])
  func numbers(number: Double) {
    #expect(refusal(["a": .list([.number(number)])])?.code == .validationFailed)
    #expect(refusal(["a": .number(-1.5e300)]) == nil)
  }
}
