public import Foundation
public import Transport
public import X509

internal import Crypto

/// Signs certificates for tests, in memory.
public struct TestAuthority {
  private let key: Certificate.PrivateKey
  private let name: DistinguishedName
  public let certificate: Certificate

  public init() throws {
    key = Certificate.PrivateKey(P256.Signing.PrivateKey())
    name = try DistinguishedName { CommonName("Test Authority") }
    certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: key.publicKey,
      notValidBefore: Date(timeIntervalSinceNow: -86_400 * 30), notValidAfter: Date(timeIntervalSinceNow: 86_400 * 30),
      issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.isCertificateAuthority(maxPathLength: 1))
        Critical(KeyUsage(keyCertSign: true))
      }, issuerPrivateKey: key)
  }

  private init(_ key: Certificate.PrivateKey, _ name: DistinguishedName, _ certificate: Certificate) {
    self.key = key
    self.name = name
    self.certificate = certificate
  }

  /// Another issuer, whose certificate is of this one; without `isAuthority` it must not issue any.
  public func subordinate(isAuthority: Bool = true) throws -> TestAuthority {
    let own = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let ownName = try DistinguishedName { CommonName("Test Subordinate") }
    let certificate = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: own.publicKey,
      notValidBefore: Date(timeIntervalSinceNow: -86_400), notValidAfter: Date(timeIntervalSinceNow: 86_400 * 30),
      issuer: name, subject: ownName, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(
          isAuthority
            ? BasicConstraints.isCertificateAuthority(maxPathLength: 0) : BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: !isAuthority, keyCertSign: isAuthority))
      }, issuerPrivateKey: key)
    return TestAuthority(own, ownName, certificate)
  }

  public var pem: String { get throws { try certificate.serializeAsPEM().pemString } }

  /// A certificate and its key, valid from and to so many seconds from now.
  public func issue(
    uris: [String] = [], dnsNames: [String] = [], from: TimeInterval = -3_600, to: TimeInterval = 86_400
  ) throws -> (certificate: String, key: String) {
    let own = Certificate.PrivateKey(P256.Signing.PrivateKey())
    let names = uris.map { GeneralName.uniformResourceIdentifier($0) } + dnsNames.map { GeneralName.dnsName($0) }
    let leaf = try Certificate(
      version: .v3, serialNumber: Certificate.SerialNumber(), publicKey: own.publicKey,
      notValidBefore: Date(timeIntervalSinceNow: from), notValidAfter: Date(timeIntervalSinceNow: to), issuer: name,
      subject: try DistinguishedName { CommonName("test") }, signatureAlgorithm: .ecdsaWithSHA256,
      extensions: try Certificate.Extensions {
        Critical(BasicConstraints.notCertificateAuthority)
        Critical(KeyUsage(digitalSignature: true))
        try ExtendedKeyUsage([.serverAuth, .clientAuth])
        SubjectAlternativeNames(names)
      }, issuerPrivateKey: key)
    return (try leaf.serializeAsPEM().pemString, try own.serializeAsPEM().pemString)
  }
}

/// The three files of a process in a folder of their own, which goes when this goes.
public final class TLSFolder: Sendable {
  public let files: TLSFiles
  private let folder: URL

  public init() throws {
    folder = FileManager.default.temporaryDirectory.appending(path: "tls-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    files = TLSFiles(
      certificate: folder.appending(path: "tls.crt").path, key: folder.appending(path: "tls.key").path,
      authorities: folder.appending(path: "ca.crt").path)
  }

  deinit {
    try? FileManager.default.removeItem(at: folder)
  }

  public func path(_ part: TLSFiles.Part) -> String {
    switch part {
    case .certificate: files.certificate ?? ""
    case .key: files.key ?? ""
    case .authorities: files.authorities ?? ""
    }
  }

  public func write(_ part: TLSFiles.Part, _ text: String, mode: Int = 0o600) throws {
    try Data(text.utf8).write(to: URL(filePath: path(part)))
    try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path(part))
  }

  public func write(_ pair: (certificate: String, key: String), trusting authorities: TestAuthority...) throws {
    try write(.certificate, pair.certificate)
    try write(.key, pair.key)
    try write(.authorities, try authorities.map { try $0.pem }.joined(separator: "\n"))
  }

  /// The credentials of a service of the trust domain `mobo`.
  public static func of(
    _ service: String, signedBy authority: TestAuthority, trusting trusted: TestAuthority? = nil,
    dnsNames: [String] = []
  ) throws -> (folder: TLSFolder, credentials: TLSCredentials) {
    let folder = try TLSFolder()
    try folder.write(
      authority.issue(uris: ["spiffe://mobo/\(service)"], dnsNames: dnsNames), trusting: trusted ?? authority)
    return (folder, try TLSCredentials(folder.files))
  }
}

extension SPIFFEID {
  /// The id of a service of the trust domain `mobo`.
  public static func of(_ service: String) throws -> SPIFFEID {
    guard let id = SPIFFEID(trustDomain: "mobo", service: service) else { throw CocoaError(.formatting) }
    return id
  }
}
