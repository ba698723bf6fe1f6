import IdentityDomain
import Kernel
import Testing

@Suite("Mobiles, usernames and passwords")
struct PersonalRulesTests {
  @Test(
    "the ways to write one mobile are one mobile",
    arguments: ["9000000001", "+91 90000-00001", "09000000001", "919000000001", " (90) 0000 0001 ", "+91.9000000001"])
  func oneMobile(text: String) {
    #expect(Mobile(text)?.rawValue == "9000000001")
  }

  @Test(
    "what does not leave ten digits is no mobile",
    arguments: ["", "900000000", "90000000011", "0919000000001", "929000000001", "१२३४५६७८९०", "abc"])
  func noMobile(text: String) {
    #expect(Mobile(text) == nil)
  }

  @Test("a zero in front of nine digits is no trunk prefix")
  func leadingZero() {
    #expect(Mobile("0900000000")?.rawValue == "0900000000")
  }

  @Test("a malformed mobile is refused with its path")
  func mobilePath() {
    #expect(throws: Failure.validation("mobile", "must be a mobile number of ten digits")) {
      try Mobile("12", path: "mobile")
    }
  }

  @Test(
    "usernames are trimmed, lower-cased and limited",
    arguments: [
      ("root", "root"), ("  OpsDesk ", "opsdesk"), ("a.b_c-9", "a.b_c-9"), ("ab", "ab"), ("a", nil), ("", nil),
      ("has space", nil), ("ümlaut", nil), ("semi;colon", nil),
    ] as [(String, String?)])
  func usernames(text: String, stored: String?) {
    #expect(Username(text)?.rawValue == stored)
  }

  @Test("a username has at most 64 characters")
  func usernameLength() {
    #expect(Username(String(repeating: "a", count: 64)) != nil)
    #expect(Username(String(repeating: "a", count: 65)) == nil)
  }

  @Test(
    "a new password needs four kinds of characters and 8 to 200 of them",
    arguments: [
      ("ChangeMe_123!", true), ("aB3$efgh", true), ("aB3$efg", false), ("ab3$efgh", false), ("AB3$EFGH", false),
      ("aBc$efgh", false), ("aB3defgh", false), ("", false),
    ])
  func passwords(text: String, isGood: Bool) {
    let accepted: Void? = try? PasswordRules.checkNew(text, path: "password")
    #expect((accepted != nil) == isGood)
  }

  @Test("the length of a password counts Unicode scalars, up to 200")
  func passwordLength() {
    #expect((try? PasswordRules.checkNew("aB3$" + String(repeating: "é", count: 196), path: "password")) != nil)
    #expect((try? PasswordRules.checkNew("aB3$" + String(repeating: "é", count: 197), path: "password")) == nil)
  }

  @Test("a refusal never repeats the password")
  func passwordSecrecy() {
    let failure = #expect(throws: Failure.self) { try PasswordRules.checkNew("hunter2hunter2", path: "password") }
    #expect(failure?.message.contains("hunter2") == false)
  }
}
