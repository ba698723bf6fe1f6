import Crypto
import IdentityDomain
import Kernel

/// Lets other services tell that two people are paid to the same place, without seeing the place (DOMAIN 9.3).
///
/// The two kinds of destination are hashed under names of their own, so that neither can imitate the other.
enum PayoutFingerprint {
  /// Lower-case hex SHA-256, one for each destination that is complete.
  static func all(of user: User) -> [String] {
    var fingerprints: [String] = []
    if let upi = user.upiID?.trimmed.lowercased(), !upi.isEmpty {
      fingerprints.append(hash("mobo/payout/upi", [upi]))
    }
    if let bank = user.bankDetails {
      let account = normalised(bank.accountNumber)
      let ifsc = normalised(bank.ifsc)
      if !account.isEmpty, !ifsc.isEmpty { fingerprints.append(hash("mobo/payout/bank", [account, ifsc])) }
    }
    return fingerprints
  }

  /// Without white space, upper-case: how people copy numbers must not matter.
  private static func normalised(_ text: String) -> String {
    String(String.UnicodeScalarView(text.unicodeScalars.filter { !$0.properties.isWhitespace })).uppercased()
  }

  /// Parts are separated by U+0000, which no stored string contains.
  private static func hash(_ domain: String, _ parts: [String]) -> String {
    Hex.text(SHA256.hash(data: Array(([domain] + parts).joined(separator: "\0").utf8)))
  }
}
