public import Kernel

/// A picture whose type was decided by its first bytes, never by what the uploader said (DOMAIN 9.4).
///
/// Anything else is refused: SVG and HTML can carry script.
public struct ProofImage: Hashable, Sendable {
  public enum Kind: String, CaseIterable, Sendable {
    case png = "image/png"
    case jpeg = "image/jpeg"
    case webp = "image/webp"
  }

  public let kind: Kind
  public let bytes: [UInt8]
  /// Lower-case hex; finds the same picture on other orders.
  public let sha256: String

  /// Fails with `PROOF_TOO_LARGE`, and with `INVALID_PROOF_IMAGE` when it is empty, too small or no such picture.
  public init(_ bytes: [UInt8], sizes: ClosedRange<Int>, path: String, digest: ([UInt8]) -> String) throws(Failure) {
    guard bytes.count <= sizes.upperBound else {
      throw Failure(
        .proofTooLarge, "the picture is larger than \(sizes.upperBound) bytes",
        violations: [FieldViolation(path, "must have at most \(sizes.upperBound) bytes")])
    }
    guard bytes.count >= max(1, sizes.lowerBound), let kind = Self.kind(of: bytes) else {
      throw Failure(
        .invalidProofImage, "the proof must be a PNG, JPEG or WebP picture of at least \(sizes.lowerBound) bytes",
        violations: [FieldViolation(path, "must be a PNG, JPEG or WebP picture")])
    }
    self.kind = kind
    self.bytes = bytes
    sha256 = digest(bytes)
  }

  /// What storage holds; it was checked when it was written.
  public init(stored bytes: [UInt8], kind: Kind, sha256: String) {
    self.bytes = bytes
    self.kind = kind
    self.sha256 = sha256
  }

  static func kind(of bytes: [UInt8]) -> Kind? {
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) { return .png }
    if bytes.starts(with: [0xFF, 0xD8, 0xFF]) { return .jpeg }
    if bytes.count >= 12, bytes.starts(with: Array("RIFF".utf8)), bytes[8..<12].elementsEqual("WEBP".utf8) {
      return .webp
    }
    return nil
  }
}
