internal import NIOCore
internal import NIOSSL
internal import X509

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What one reading of the files gave: everything that a handshake needs, checked and ready.
struct TLSSnapshot: Sendable {
  let contents: [TLSFiles.Part: [UInt8]]
  let facts: TLSFacts
  /// Nil without a certificate of our own.
  let server: NIOSSLContext?
  /// For servers that are known by a URI in their certificate, which the gate compares.
  let client: NIOSSLContext
  /// For servers that are known by the name they were reached under.
  let clientByHostName: NIOSSLContext

  /// - Parameters:
  ///   - identity: who the certificate must say we are; nil takes any.
  ///   - now: seconds since 1970.
  init(_ contents: [TLSFiles.Part: [UInt8]], identity: SPIFFEID?, now: Int64) throws(TLSFailure) {
    self.contents = contents
    let chain = try Self.certificates(.certificate, contents)
    let authorities = try Self.certificates(.authorities, contents)
    if let leaf = chain.first { try Self.check(leaf, identity, now) }
    if !authorities.isEmpty, authorities.allSatisfy({ Int64($0.notValidAfter) <= now }) {
      throw TLSFailure(.authorities, "every authority has expired")
    }
    let key = try Self.key(contents)
    guard chain.isEmpty == (key == nil) else {
      throw TLSFailure(chain.isEmpty ? .certificate : .key, "a certificate and its key are given together")
    }
    if let leaf = chain.first, let pem = contents[.key] { try Self.checkKey(pem, of: leaf) }
    if identity != nil, !authorities.isEmpty { try Self.checkIssuer(of: chain, among: authorities, now) }

    let trust = authorities.isEmpty ? NIOSSLTrustRoots.default : .certificates(authorities)
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.certificateChain = chain.map { .certificate($0) }
    configuration.privateKey = key.map { .privateKey($0) }
    configuration.trustRoots = trust
    Self.harden(&configuration)
    clientByHostName = try Self.context(configuration)
    configuration.certificateVerification = .noHostnameVerification
    client = try Self.context(configuration)
    server = try Self.server(chain, key, authorities)
    facts = TLSFacts(
      certificateNotAfter: chain.first.map { Int64($0.notValidAfter) },
      authoritiesNotAfter: authorities.map { Int64($0.notValidAfter) }.min(),
      subject: chain.first.flatMap { try? PeerIdentity($0) }.map { $0.uris.first ?? $0.subject } ?? "")
  }

  private static func server(
    _ chain: [NIOSSLCertificate], _ key: NIOSSLPrivateKey?, _ authorities: [NIOSSLCertificate]
  ) throws(TLSFailure) -> NIOSSLContext? {
    guard let key else { return nil }
    let sources = chain.map { NIOSSLCertificateSource.certificate($0) }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: sources, privateKey: .privateKey(key))
    if !authorities.isEmpty {
      // Clients have no host names; who they are is read from their certificate afterwards.
      configuration.certificateVerification = .noHostnameVerification
      configuration.trustRoots = .certificates(authorities)
    }
    harden(&configuration)
    return try context(configuration)
  }

  private static func harden(_ configuration: inout TLSConfiguration) {
    configuration.minimumTLSVersion = .tlsv12
    // What HTTP/2 allows with TLS 1.2 (RFC 9113, 9.2.2). The suites of TLS 1.3 are all good and not configured.
    configuration.cipherSuites = "ECDHE+AESGCM:ECDHE+CHACHA20"
    configuration.applicationProtocols = [TLSGate.applicationProtocol]
    configuration.shutdownTimeout = TLSGate.closeTimeout
    configuration.renegotiationSupport = .none
  }

  private static func context(_ configuration: TLSConfiguration) throws(TLSFailure) -> NIOSSLContext {
    do { return try NIOSSLContext(configuration: configuration) } catch {
      throw TLSFailure(.certificate, "certificate and key cannot be used: \(error)")
    }
  }

  private static func certificates(
    _ part: TLSFiles.Part, _ contents: [TLSFiles.Part: [UInt8]]
  ) throws(TLSFailure) -> [NIOSSLCertificate] {
    guard let pem = contents[part] else { return [] }
    guard let certificates = try? NIOSSLCertificate.fromPEMBytes(pem), !certificates.isEmpty else {
      throw TLSFailure(part, "the file holds no certificate in PEM form")
    }
    return certificates
  }

  private static func key(_ contents: [TLSFiles.Part: [UInt8]]) throws(TLSFailure) -> NIOSSLPrivateKey? {
    guard let pem = contents[.key] else { return nil }
    guard let key = try? NIOSSLPrivateKey(bytes: pem, format: .pem) else {
      throw TLSFailure(.key, "the file holds no private key in PEM form without a pass phrase")
    }
    return key
  }

  private static func check(_ leaf: NIOSSLCertificate, _ identity: SPIFFEID?, _ now: Int64) throws(TLSFailure) {
    if Int64(leaf.notValidAfter) <= now { throw TLSFailure(.certificate, "the certificate has expired") }
    if Int64(leaf.notValidBefore) > now { throw TLSFailure(.certificate, "the certificate is not valid yet") }
    guard let identity else { return }
    let own: PeerIdentity
    do { own = try PeerIdentity(leaf) } catch {
      throw TLSFailure(.certificate, "the certificate's names cannot be read")
    }
    guard own.spiffeID == identity else {
      let found = own.uris.isEmpty ? "no URI" : own.uris.joined(separator: ", ")
      throw TLSFailure(.certificate, "the certificate must have the one URI \(identity), and has \(found)")
    }
  }

  private static func checkKey(_ pem: [UInt8], of leaf: NIOSSLCertificate) throws(TLSFailure) {
    let isPair: Bool
    do {
      let key = try Certificate.PrivateKey(pemEncoded: String(decoding: pem, as: UTF8.self))
      isPair = try key.publicKey == Certificate(derEncoded: leaf.toDERBytes()).publicKey
    } catch {
      throw TLSFailure(.key, "the key is of a kind that cannot be used: take EC P-256 or RSA")
    }
    guard isPair else { throw TLSFailure(.key, "the key does not belong to the certificate") }
  }
}

extension TLSSnapshot {
  /// The own certificate must come from one of the authorities of the own bundle. All services of a trust domain have
  /// the same bundle, so what does not fit into ours is refused by everybody else: a renewal of which one half has
  /// arrived, or a bundle that an authority left too early.
  private static func checkIssuer(
    of chain: [NIOSSLCertificate], among authorities: [NIOSSLCertificate], _ now: Int64
  ) throws(TLSFailure) {
    let roots = authorities.filter { Int64($0.notValidAfter) > now }.compactMap(parsed)
    let intermediates = chain.dropFirst().compactMap(parsed)
    guard var certificate = chain.first.flatMap(parsed) else {
      throw TLSFailure(.certificate, "the certificate cannot be read")
    }
    // Every step needs another intermediate, so this ends.
    for _ in 0...intermediates.count {
      if roots.contains(where: { hasIssued($0, certificate) }) { return }
      guard let next = intermediates.first(where: { hasIssued($0, certificate) }) else { break }
      certificate = next
    }
    throw TLSFailure(.certificate, "no authority of the own bundle has issued the certificate")
  }

  private static func parsed(_ certificate: NIOSSLCertificate) -> Certificate? {
    try? Certificate(derEncoded: certificate.toDERBytes())
  }

  private static func hasIssued(_ issuer: Certificate, _ certificate: Certificate) -> Bool {
    guard issuer.subject == certificate.issuer,
      issuer.publicKey.isValidSignature(certificate.signature, for: certificate)
    else { return false }
    if case .isCertificateAuthority = try? issuer.extensions.basicConstraints { return true }
    return false
  }
}

/// What is known about the files in use.
public struct TLSFacts: Hashable, Sendable {
  /// When the own certificate ends, in seconds since 1970; nil without one.
  public let certificateNotAfter: Int64?
  /// When the first of the authorities ends, in seconds since 1970; nil without any.
  public let authoritiesNotAfter: Int64?
  /// The own certificate's first URI, or else its subject.
  public let subject: String
}

extension PeerIdentity {
  init(_ certificate: NIOSSLCertificate) throws {
    let parsed = try Certificate(derEncoded: certificate.toDERBytes())
    var uris: [String] = []
    var dnsNames: [String] = []
    for name in try parsed.extensions.subjectAlternativeNames ?? SubjectAlternativeNames() {
      switch name {
      case .uniformResourceIdentifier(let uri): uris.append(uri)
      case .dnsName(let dnsName): dnsNames.append(dnsName)
      default: break
      }
    }
    self.init(uris: uris, dnsNames: dnsNames, subject: parsed.subject.description)
  }
}
