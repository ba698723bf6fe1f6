/// Decides what is safe to print; every log line passes through here.
public enum Redactor {
  public static let mask = "[redacted]"

  /// True when a value under this name must never be shown.
  ///
  /// The name is split into words (`accessToken`, `mobo-service-key`, `ADMIN_SEED_PASSWORD`), because `key` alone
  /// is a secret and `monkey` is not.
  public static func isSecret(name: String) -> Bool {
    let words = words(of: name)
    guard !words.contains(where: secretWords.contains) else { return !isMeasure(words) }
    return zip(words, words.dropFirst()).contains { $0 + $1 == "apikey" }
  }

  /// `text` without bearer tokens, JSON Web Tokens and the credentials of URIs, wherever they stand in it.
  public static func clean(_ text: String) -> String {
    guard needsCleaning(text) else { return text }
    var words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    for index in words.indices {
      let word = words[index]
      if index > 0, words[index - 1].lowercased().hasSuffix("bearer"), !word.isEmpty {
        words[index] = mask
      } else if let start = tokenStart(in: word) {
        words[index] = word[..<start] + mask
      } else {
        words[index] = withoutCredentials(word)
      }
    }
    return words.joined(separator: " ")
  }

  private static let secretWords: Set<String> = [
    "authorization", "password", "passwords", "passphrase", "token", "tokens", "secret", "secrets", "key", "keys",
    "cookie", "credential", "credentials", "proof", "image", "otp", "pin",
  ]

  /// Counts, times and places of secrets are no secrets: `tokenExpiresAt`, `keyCount`, `SERVICE_KEYS_FILE`.
  private static func isMeasure(_ words: [String]) -> Bool {
    guard let last = words.last else { return false }
    return ["count", "bytes", "at", "seconds", "ms", "kid", "id", "name", "method", "file"].contains(last)
  }

  private static func words(of name: String) -> [String] {
    var words: [String] = []
    var word = ""
    var previousIsLower = false
    for character in name {
      let isSeparator = !character.isLetter && !character.isNumber
      if isSeparator || (character.isUppercase && previousIsLower) {
        if !word.isEmpty { words.append(word) }
        word = ""
      }
      if !isSeparator { word += character.lowercased() }
      previousIsLower = character.isLowercase || character.isNumber
    }
    if !word.isEmpty { words.append(word) }
    return words
  }

  private static func needsCleaning(_ text: String) -> Bool {
    text.utf8.contains(UInt8(ascii: "@")) || text.contains("eyJ") || text.lowercased().contains("bearer")
  }

  /// Where a JSON Web Token begins: `eyJ` is the base64url of `{"`.
  private static func tokenStart(in word: String) -> String.Index? {
    guard let start = word.firstRange(of: "eyJ")?.lowerBound else { return nil }
    return word[start...].filter { $0 == "." }.count >= 2 ? start : nil
  }

  private static func withoutCredentials(_ word: String) -> String {
    guard let scheme = word.firstRange(of: "://"), let at = word[scheme.upperBound...].lastIndex(of: "@") else {
      return word
    }
    return word[..<scheme.upperBound] + mask + word[at...]
  }
}
