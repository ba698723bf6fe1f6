/// Who is at the other end of a connection with TLS, as the certificate says that was verified in the handshake.
public struct PeerIdentity: Hashable, Sendable {
  /// The certificate's alternative names of kind URI, in order.
  public let uris: [String]
  /// The certificate's alternative names of kind DNS, in order.
  public let dnsNames: [String]
  /// The distinguished name, for people: `CN=wallet`.
  public let subject: String

  public init(uris: [String], dnsNames: [String] = [], subject: String = "") {
    self.uris = uris
    self.dnsNames = dnsNames
    self.subject = subject
  }

  /// The SPIFFE id. A certificate with more than one URI names nobody (X509-SVID, 2).
  public var spiffeID: SPIFFEID? {
    uris.count == 1 ? SPIFFEID(uris[0]) : nil
  }
}

/// `spiffe://<trust domain>/<service>`: the name of a process of the product in its certificate.
public struct SPIFFEID: Hashable, Sendable, CustomStringConvertible {
  public let trustDomain: String
  /// One path segment: the name of the service.
  public let service: String

  public init?(trustDomain: String, service: String) {
    guard Self.isTrustDomain(trustDomain), Self.isSegment(service) else { return nil }
    self.trustDomain = trustDomain
    self.service = service
  }

  /// Nil for anything else, such as a query, a port, a longer path or other letters than SPIFFE allows.
  public init?(_ uri: String) {
    guard uri.hasPrefix(Self.scheme) else { return nil }
    let parts = uri.dropFirst(Self.scheme.count).split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    self.init(trustDomain: String(parts[0]), service: String(parts[1]))
  }

  public var description: String { "\(Self.scheme)\(trustDomain)/\(service)" }

  private static let scheme = "spiffe://"
  /// Longest trust domain and longest segment in bytes; SPIFFE itself allows an id of 2 048.
  private static let lengthMax = 255

  /// Lowercase letters, digits, dots, dashes and underscores.
  public static func isTrustDomain(_ text: String) -> Bool {
    isShort(text) && text.utf8.allSatisfy { isLowercase($0) || isOther($0) }
  }

  /// What a trust domain has, and capital letters; never a relative segment.
  private static func isSegment(_ text: String) -> Bool {
    isShort(text) && text != "." && text != ".."
      && text.utf8.allSatisfy { isLowercase($0) || isOther($0) || (0x41...0x5A).contains($0) }
  }

  private static func isShort(_ text: String) -> Bool { (1...lengthMax).contains(text.utf8.count) }

  private static func isLowercase(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) }

  private static func isOther(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_")].contains(byte)
  }
}
