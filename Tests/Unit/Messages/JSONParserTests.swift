import Kernel
import Messages
import Testing

@Suite("JSON texts")
struct JSONParserTests {
  @Test(
    "valid texts are read and written back compactly",
    arguments: [
      ("{}", "{}"), (" [ ] ", "[]"), ("null", "null"), ("[true,false]", "[true,false]"),
      ("-0", "-0"), ("1.50e+10", "1.50e+10"), ("123456789012345678901234567890", "123456789012345678901234567890"),
      (#"{"b":1,"a":[{"c":null}]}"#, #"{"b":1,"a":[{"c":null}]}"#),
      (#""\u0041\n\"\\\/\b\f\r\t""#, #""A\n\"\\/\u0008\u000c\r\t""#),
      (#""\ud83d\udc4d ä""#, #""👍 ä""#), ("\t\r\n 1 ", "1"), (#"{"":""}"#, #"{"":""}"#),
    ])
  func valid(text: String, written: String) throws {
    #expect(String(decoding: try JSONValue(parsing: text).bytes, as: UTF8.self) == written)
  }

  @Test(
    "anything else is refused",
    arguments: [
      "", " ", "{", "}", "[1,]", "{,}", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, "{a:1}", "'a'", "01", "-", "+1", ".5",
      "1.", "1e", "1e+", "0x10", "NaN", "Infinity", "tru", "nulll", "True", #""\x""#, #""\u12""#, #""\u12G4""#,
      #""abc"#,
      "\"a\u{1}\"", "\"a\nb\"", "1 2", "[1] x", #""\ud83d""#, #""\udc4d""#, #""\ud83d\u0041""#, #""\ud83dx""#,
      "\u{FEFF}{}", "// c\n1",
    ])
  func invalid(text: String) {
    #expect(throws: Failure.self) { try JSONValue(parsing: text) }
  }

  @Test("bytes that are not UTF-8 are refused")
  func invalidUTF8() {
    #expect(throws: Failure.validation("body", "must be valid UTF-8")) {
      try JSONValue(parsing: [0x22, 0xFF, 0x22])
    }
  }

  @Test("a repeated member is named by its path")
  func duplicates() {
    #expect(throws: Failure.validation("a[1].b", "is given more than once")) {
      try JSONValue(parsing: #"{"a":[{"b":1},{"b":1,"c":2,"b":3}]}"#)
    }
    #expect(throws: Failure.validation("k", "is given more than once")) {
      try JSONValue(parsing: #"{"k":1,"\u006b":2}"#)
    }
  }

  @Test(
    "lists may nest to the limit and not beyond", arguments: [JSONLimits.depthMax, JSONLimits.depthMax + 1, 100_000])
  func depth(levels: Int) {
    let text = String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
    let isAllowed = levels <= JSONLimits.depthMax
    #expect(((try? JSONValue(parsing: text)) != nil) == isAllowed)
  }

  @Test("the number of values is limited")
  func values() {
    let text = "[" + String(repeating: "0,", count: JSONLimits.valuesMax) + "0]"
    #expect(throws: Failure.self) { try JSONValue(parsing: text) }
  }

  @Test(
    "base64 is read in both alphabets, with or without padding",
    arguments: [
      ("", []), ("AA==", [0]), ("AA", [0]), ("+/8=", [0xFB, 0xFF]), ("-_8", [0xFB, 0xFF]), ("AAAA", [0, 0, 0]),
    ] as [(String, [UInt8])])
  func base64(text: String, bytes: [UInt8]) {
    #expect(Base64.decode(text) == bytes)
    #expect(Base64.decode(Base64.encode(bytes)) == bytes)
  }

  @Test(
    "damaged base64 is refused",
    arguments: ["A", "AA=", "AAA==", "A A=", "AA==AA==", "AB", "AAB", "=", "====", "AA\n", "é"])
  func damagedBase64(text: String) {
    #expect(Base64.decode(text) == nil)
  }
}
