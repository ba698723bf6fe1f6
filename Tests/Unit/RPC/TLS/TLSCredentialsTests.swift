import Foundation
import TestCertificates
import Testing

@testable import Transport

@Suite("Files for TLS")
struct TLSCredentialsTests {
  let authority: TestAuthority
  let folder: TLSFolder

  init() throws {
    authority = try TestAuthority()
    folder = try TLSFolder()
    try folder.write(authority.issue(uris: ["spiffe://mobo/wallet"]), trusting: authority)
  }

  func load() throws(TLSFailure) -> TLSCredentials {
    try TLSCredentials(folder.files, identity: SPIFFEID(trustDomain: "mobo", service: "wallet"))
  }

  /// What the files are refused for.
  func refusal() -> TLSFailure? {
    do throws(TLSFailure) {
      _ = try load()
      return nil
    } catch {
      return error
    }
  }

  @Test("what belongs together is taken")
  func good() throws {
    let now = Int64(Date.now.timeIntervalSince1970)
    let credentials = try TLSCredentials(folder.files, identity: .of("wallet"), now: { now })
    #expect(credentials.facts.subject == "spiffe://mobo/wallet")
    #expect(credentials.secondsLeft == credentials.facts.certificateNotAfter.map { $0 - now })
    #expect(credentials.reload() == .unchanged)
    withExtendedLifetime(folder) {}  // The files go with it.
  }

  @Test("an unreadable, empty or foreign file is refused by its name", arguments: TLSFiles.Part.allCases)
  func unusable(part: TLSFiles.Part) throws {
    for text in ["", "no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
      try folder.write(part, text)
      #expect(refusal()?.part == part)
    }
    try FileManager.default.removeItem(atPath: folder.path(part))
    #expect(refusal()?.part == part)
    try FileManager.default.createDirectory(
      atPath: folder.path(part), withIntermediateDirectories: false)
    #expect(refusal()?.part == part)
  }

  @Test("a file is read up to its limit and not beyond")
  func size() throws {
    let pem = try authority.pem
    try folder.write(.authorities, pem + String(repeating: "\n", count: TLSFiles.bytesMax - pem.utf8.count))
    #expect(refusal() == nil)
    try folder.write(.authorities, pem + String(repeating: "\n", count: TLSFiles.bytesMax - pem.utf8.count + 1))
    #expect(refusal()?.part == .authorities)
  }

  @Test("a key of another certificate is refused, and so is a certificate without a key")
  func pairs() throws {
    try folder.write(.key, try authority.issue().key)
    #expect(refusal()?.part == .key)
    var half = folder.files
    half.key = nil
    #expect(throws: TLSFailure.self) { try TLSCredentials(half) }
    half = folder.files
    half.certificate = nil
    #expect(throws: TLSFailure.self) { try TLSCredentials(half) }
  }

  @Test(
    "a key is for its owner's eyes",
    arguments: [
      (0o600, true), (0o400, true), (0o604, false), (0o602, false), (0o620, false), (0o666, false), (0o610, false),
    ])
  func permissions(mode: Int, accepted: Bool) throws {
    try folder.write(.key, try String(contentsOfFile: folder.path(.key), encoding: .utf8), mode: mode)
    #expect(refusal()?.part == (accepted ? nil : .key))
  }

  @Test(
    "a certificate outside its time is refused",
    arguments: [(-3_600, -1, false), (-3_600, 60, true), (60, 3_600, false)] as [(TimeInterval, TimeInterval, Bool)])
  func time(from: TimeInterval, to: TimeInterval, accepted: Bool) throws {
    try folder.write(authority.issue(uris: ["spiffe://mobo/wallet"], from: from, to: to), trusting: authority)
    #expect(refusal()?.part == (accepted ? nil : .certificate))
  }

  @Test(
    "a certificate must say who this process is, and nothing else",
    arguments: [
      ["spiffe://mobo/order"], ["spiffe://other/wallet"], [], ["https://mobo/wallet"],
      ["spiffe://mobo/wallet", "spiffe://mobo/order"],
    ])
  func identity(uris: [String]) throws {
    try folder.write(authority.issue(uris: uris), trusting: authority)
    #expect(refusal()?.part == .certificate)
  }

  @Test("a certificate that no authority of the own bundle has issued is refused, whatever that authority calls itself")
  func issuer() throws {
    let (old, other) = (authority, try TestAuthority())
    let pair = try old.issue(uris: ["spiffe://mobo/wallet"])
    try folder.write(pair, trusting: other)
    #expect(refusal()?.part == .certificate)
    // In the middle of a change of authorities both are trusted.
    try folder.write(pair, trusting: other, old)
    #expect(refusal() == nil)
    // Who says nothing about itself may have authorities for its peers only.
    try folder.write(pair, trusting: other)
    #expect(throws: Never.self) { try TLSCredentials(folder.files) }
  }

  @Test("an authority that leaves the bundle too early changes nothing")
  func earlyEnd() throws {
    let credentials = try load()
    let first = credentials.facts
    try folder.write(.authorities, try TestAuthority().pem)
    guard case .refused(let failure, isNew: true) = credentials.reload() else { return #expect(Bool(false)) }
    #expect(failure.part == .certificate)
    #expect(credentials.facts == first)
  }

  @Test("intermediates lead from the certificate to an authority, and a service's certificate issues nothing")
  func intermediates() throws {
    let intermediate = try authority.subordinate()
    let pair = try intermediate.issue(uris: ["spiffe://mobo/wallet"])
    try folder.write(pair, trusting: authority)
    #expect(refusal()?.part == .certificate)
    try folder.write(.certificate, pair.certificate + "\n" + intermediate.pem)
    #expect(refusal() == nil)
    let impostor = try authority.subordinate(isAuthority: false)
    let forged = try impostor.issue(uris: ["spiffe://mobo/wallet"])
    try folder.write((forged.certificate + "\n" + impostor.pem, forged.key), trusting: authority)
    #expect(refusal()?.part == .certificate)
  }

  @Test("files that cannot be used leave the last good ones, are told of once, and are taken when they are good")
  func reload() throws {
    let credentials = try load()
    let first = credentials.facts
    let renewed = try authority.issue(uris: ["spiffe://mobo/wallet"], to: 172_800)
    try folder.write(.certificate, renewed.certificate)  // Its key is not there yet.
    guard case .refused(let failure, isNew: true) = credentials.reload() else { return #expect(Bool(false)) }
    #expect(failure.part == .key)
    guard case .refused(_, isNew: false) = credentials.reload() else { return #expect(Bool(false)) }
    #expect(credentials.facts == first)

    try folder.write(.key, renewed.key)
    guard case .replaced(let facts) = credentials.reload() else { return #expect(Bool(false)) }
    #expect(facts.certificateNotAfter != first.certificateNotAfter && credentials.facts == facts)
    #expect(credentials.reload() == .unchanged)
    #expect(credentials.statistics.reloads == 1 && credentials.statistics.failedReloads == 1)
  }
}

@Suite("Names in certificates")
struct PeerIdentityTests {
  @Test(
    "a SPIFFE id of the product is a trust domain and a service, and nothing else is one",
    arguments: [
      ("spiffe://mobo/wallet", "mobo", "wallet"),
      ("spiffe://mobo.example-1_a/Wallet.2", "mobo.example-1_a", "Wallet.2"),
      ("spiffe://mobo", nil, nil), ("spiffe://mobo/", nil, nil), ("spiffe:///wallet", nil, nil),
      ("spiffe://mobo/a/b", nil, nil), ("spiffe://Mobo/wallet", nil, nil), ("spiffe://mobo:1/wallet", nil, nil),
      ("spiffe://user@mobo/wallet", nil, nil), ("spiffe://mobo/wallet?x", nil, nil),
      ("spiffe://mobo/wallet#x", nil, nil), ("spiffe://mobo/..", nil, nil), ("spiffe://mobo/%77allet", nil, nil),
      ("SPIFFE://mobo/wallet", nil, nil), ("https://mobo/wallet", nil, nil), ("spiffe://mobo/wäллet", nil, nil),
      ("", nil, nil), ("spiffe://mobo/\(String(repeating: "a", count: 256))", nil, nil),
      ("spiffe://mobo/\(String(repeating: "a", count: 255))", "mobo", String(repeating: "a", count: 255)),
    ] as [(String, String?, String?)])
  func spiffe(uri: String, trustDomain: String?, service: String?) {
    let id = SPIFFEID(uri)
    #expect(id?.trustDomain == trustDomain && id?.service == service)
    if let id { #expect(id.description == uri) }
  }

  @Test("a certificate with two URIs names nobody")
  func two() {
    #expect(PeerIdentity(uris: ["spiffe://mobo/wallet"]).spiffeID?.service == "wallet")
    #expect(PeerIdentity(uris: ["spiffe://mobo/wallet", "spiffe://mobo/order"]).spiffeID == nil)
    #expect(PeerIdentity(uris: ["spiffe://mobo/wallet", "https://x/"]).spiffeID == nil)
    #expect(PeerIdentity(uris: []).spiffeID == nil)
  }

  @Test(
    "only this machine's own interface is loopback",
    arguments: [
      ("127.0.0.1:5", true), ("127.9.9.9:5", true), ("::1:5", true), ("::ffff:127.0.0.1:5", true), ("", true),
      ("unix:0", true), ("10.0.0.1:5", false), ("128.0.0.1:5", false), ("::11:5", false), ("fe80::1:5", false),
      ("192.0.2.127:5", false), ("1270.0.0.1:5", false),
    ])
  func loopback(address: String, expected: Bool) {
    #expect(ConnectionPeer(address: address).isLoopback == expected)
  }
}
