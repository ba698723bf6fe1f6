import IdentityDomain
import Kernel
import Testing

@Suite("The administrator of the seed")
struct AdministratorRulesTests {
  private func wrong(
    username: String = "root", password: String? = "Passw0rd!", mobile: String = "9000000000", name: String = "Root"
  ) -> [String] {
    AdministratorRules.violations(
      username: (username, "U"), password: password.map { ($0, "P") }, mobile: (mobile, "M"), name: (name, "N")
    ).map(\.path)
  }

  @Test("good values have no violations; a password that is missing is judged elsewhere")
  func good() {
    #expect(wrong() == [])
    #expect(wrong(password: nil) == [])
  }

  @Test("every wrong value is told, at once")
  func all() {
    #expect(wrong(username: "r", password: "short", mobile: "12345", name: "R") == ["U", "P", "M", "N"])
  }

  @Test("a name has 2 to 120 characters", arguments: [(1, false), (2, true), (120, true), (121, false)])
  func name(count: Int, isGood: Bool) {
    #expect(wrong(name: String(repeating: "n", count: count)).isEmpty == isGood)
    #expect(wrong(name: " " + String(repeating: "n", count: count) + " ").isEmpty == isGood)
  }

  @Test("passwords are new ones here", arguments: ["passw0rd!", "PASSW0RD!", "Password!", "Passw0rd1", "Pw0rd!x"])
  func password(text: String) {
    #expect(wrong(password: text) == ["P"])
  }
}
