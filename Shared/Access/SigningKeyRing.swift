import Crypto
import FoundationEssentials
import JWTKit
import Kernel
import Messages

/// Why the signing keys cannot be used. Never holds key material.
public struct SigningKeyFailure: Error, Hashable, Sendable, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }
}

/// Identity's private keys: the current one signs, the others are published so that a rotation fails no call.
///
/// A file of keys is either PEM (one or more PKCS #8 Ed25519 keys, the first is the current one) or JSON:
/// `{"keys":[{"use":"current","d":"<base64url of the 32 secret bytes>"},{"use":"next","d":"…"}]}` where `use` is
/// `current` exactly once, `next` or `previous`. Key ids are thumbprints, so they are not stored.
public struct SigningKeyRing: Sendable, SigningKeySource {
  let current: EdDSA.PrivateKey
  public let currentID: String
  public let publicKeys: [PublicSigningKey]

  private struct File: Codable {
    struct Key: Codable {
      let use: String
      let d: String
    }

    let keys: [Key]
  }

  init(current: EdDSA.PrivateKey, others: [EdDSA.PrivateKey]) {
    self.current = current
    publicKeys = ([current] + others).map { PublicSigningKey(point: Array($0.publicKey.rawRepresentation)) }
    currentID = publicKeys[0].id
  }

  public func signingKeys() -> [PublicSigningKey] { publicKeys }

  /// Reads a file of keys.
  public static func load(path: String) throws(SigningKeyFailure) -> SigningKeyRing {
    let text: String
    do {
      text = String(decoding: try PrivateFile.read(path), as: UTF8.self)
    } catch {
      throw SigningKeyFailure("\(path): \(error.description)")
    }
    return text.contains("-----BEGIN") ? try fromPEM(text, path) : try fromJSON(text, path)
  }

  /// The keys in `directory`, generated when there are none yet. The file is readable by its owner only.
  ///
  /// Two processes that start together end up with the same keys: the first to create the file wins.
  public static func loadOrGenerate(directory: String) throws(SigningKeyFailure) -> SigningKeyRing {
    let path = directory + "/signing-keys.json"
    do {
      if try PrivateFile.exists(path) { return try load(path: path) }
      let keys = ["current", "next"].map { use in
        File.Key(use: use, d: Base64URL.text(Array(Curve25519.Signing.PrivateKey().rawRepresentation)))
      }
      let bytes: Data
      do { bytes = try JSONEncoder().encode(File(keys: keys)) } catch { throw FileProblem("\(error)") }
      try PrivateFile.create(path, in: directory, Array(bytes))
      return try load(path: path)
    } catch let failure as SigningKeyFailure {
      throw failure
    } catch {
      throw SigningKeyFailure("\(path): \(error)")
    }
  }

  private static func fromJSON(_ text: String, _ path: String) throws(SigningKeyFailure) -> SigningKeyRing {
    guard let file = try? JSONDecoder().decode(File.self, from: Data(text.utf8)) else {
      throw SigningKeyFailure("\(path) holds neither PEM nor the JSON form of signing keys")
    }
    var current: [EdDSA.PrivateKey] = []
    var others: [EdDSA.PrivateKey] = []
    for entry in file.keys {
      guard ["current", "next", "previous"].contains(entry.use),
        let bytes = Base64.decode(entry.d), bytes.count == 32,
        let key = try? EdDSA.PrivateKey(d: Base64URL.text(bytes), curve: .ed25519)
      else { throw SigningKeyFailure("\(path) holds a signing key that is not an Ed25519 key") }
      if entry.use == "current" { current.append(key) } else { others.append(key) }
    }
    guard current.count == 1 else { throw SigningKeyFailure("\(path) must mark exactly one key as current") }
    return SigningKeyRing(current: current[0], others: others)
  }

  private static func fromPEM(_ text: String, _ path: String) throws(SigningKeyFailure) -> SigningKeyRing {
    var keys: [EdDSA.PrivateKey] = []
    for block in text.split(separator: "-----END PRIVATE KEY-----").map(String.init) where !block.trimmed.isEmpty {
      guard let key = try? EdDSA.PrivateKey(pem: block.trimmed + "\n-----END PRIVATE KEY-----\n") else {
        throw SigningKeyFailure("\(path) holds a PEM block that is not an Ed25519 private key (PKCS #8)")
      }
      keys.append(key)
    }
    guard let first = keys.first else { throw SigningKeyFailure("\(path) holds no private key") }
    return SigningKeyRing(current: first, others: Array(keys.dropFirst()))
  }
}
