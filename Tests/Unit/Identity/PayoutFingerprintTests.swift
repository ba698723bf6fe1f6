import IdentityDomain
import Kernel
import Testing

@testable import IdentityAPI

@Suite("Payout fingerprints")
struct PayoutFingerprintTests {
  private func user(upi: String? = nil, account: String = "", ifsc: String = "") -> User {
    var user = User.sample(.shopper)
    user.upiID = upi
    user.bankDetails = BankDetails(accountNumber: account, ifsc: ifsc, bankName: "Any", holderName: "Any")
    return user
  }

  @Test("how a destination is written does not matter")
  func normalised() {
    #expect(PayoutFingerprint.all(of: user(upi: " A1@UPI ")) == PayoutFingerprint.all(of: user(upi: "a1@upi")))
    #expect(
      PayoutFingerprint.all(of: user(account: "12 34 56", ifsc: "hdfc0001"))
        == PayoutFingerprint.all(of: user(account: "123456", ifsc: " HDFC0001 ")))
  }

  @Test("incomplete destinations have no fingerprint")
  func incomplete() {
    #expect(PayoutFingerprint.all(of: user()).isEmpty)
    #expect(PayoutFingerprint.all(of: user(upi: "  ")).isEmpty)
    #expect(PayoutFingerprint.all(of: user(account: "123")).isEmpty)
    #expect(PayoutFingerprint.all(of: user(ifsc: "HDFC0001")).isEmpty)
  }

  @Test("kinds and parts of destinations cannot imitate each other")
  func separated() {
    let shifted = [user(account: "12", ifsc: "3X"), user(account: "123", ifsc: "X"), user(upi: "123x")]
    #expect(Set(shifted.flatMap { PayoutFingerprint.all(of: $0) }).count == 3)
  }

  @Test("a fingerprint is hex and shows nothing of the destination")
  func opaque() throws {
    let fingerprint = try #require(PayoutFingerprint.all(of: user(upi: "a1@upi")).first)
    #expect(fingerprint.utf8.count == 64)
    #expect(!fingerprint.contains("a1@"))
  }
}
