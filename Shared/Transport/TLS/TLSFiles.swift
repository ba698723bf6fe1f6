#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Where a process's certificate, its key and the authorities it trusts are kept, all as PEM.
public struct TLSFiles: Hashable, Sendable {
  /// One of the three, for messages that tell which is wrong.
  public enum Part: Hashable, Sendable, CaseIterable {
    /// The own certificate first, then the intermediates up to an authority.
    case certificate
    /// Its private key, without a pass phrase.
    case key
    /// Every authority whose certificates are accepted. During a change of authorities the old and the new one.
    case authorities
  }

  /// Nil for a client that presents no certificate; never nil for a server.
  public var certificate: String?
  public var key: String?
  /// Nil for a server that asks its clients for no certificate. A client without them trusts the system's.
  public var authorities: String?

  public init(certificate: String?, key: String?, authorities: String?) {
    self.certificate = certificate
    self.key = key
    self.authorities = authorities
  }

  subscript(part: Part) -> String? {
    switch part {
    case .certificate: certificate
    case .key: key
    case .authorities: authorities
    }
  }

  /// What the files hold; nil for those that are not named.
  func read() throws(TLSFailure) -> [Part: [UInt8]] {
    var contents: [Part: [UInt8]] = [:]
    for part in Part.allCases {
      guard let path = self[part] else { continue }
      contents[part] = try Self.read(part, path)
    }
    return contents
  }

  /// A bundle of some hundred authorities fits; so does no file that was named by mistake.
  static let bytesMax = 1 << 20

  private static func read(_ part: Part, _ path: String) throws(TLSFailure) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw problem(part, path) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw problem(part, path) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw TLSFailure(part, "\(path) is no regular file") }
    if part == .key, isExposed(status) {
      throw TLSFailure(
        part, "\(path) must be readable by its owner only (chmod 600), or by the group of a root-owned file")
    }
    var bytes = [UInt8](repeating: 0, count: min(max(Int(status.st_size), 0), bytesMax) + 1)
    var count = 0
    while count < bytes.count {
      let got = bytes[count...].withUnsafeMutableBytes { buffer in
        Glibc.read(descriptor, buffer.baseAddress, buffer.count)
      }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw problem(part, path) }
      guard got > 0 else { return Array(bytes[..<count]) }
      count += got
    }
    let reason = count > bytesMax ? "is longer than \(bytesMax) bytes" : "grew while it was read"
    throw TLSFailure(part, "\(path) \(reason)")
  }

  /// A key of one's own is one's own alone. One that belongs to root may be given to a group, as orchestrators do.
  private static func isExposed(_ status: stat) -> Bool {
    let others = status.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO
    return status.st_mode & others != 0
  }

  private static func problem(_ part: Part, _ path: String) -> TLSFailure {
    TLSFailure(part, "cannot read \(path): \(String(cString: strerror(errno)))")
  }
}

/// Why files cannot be used for TLS. Never holds anything of a key.
public struct TLSFailure: Error, Hashable, Sendable, CustomStringConvertible {
  public let part: TLSFiles.Part
  public let description: String

  public init(_ part: TLSFiles.Part, _ description: String) {
    self.part = part
    self.description = description
  }
}
