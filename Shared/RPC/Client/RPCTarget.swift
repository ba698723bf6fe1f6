internal import NIOCore

/// The addresses of a channel, by name or by number.
///
/// | Text | Meaning |
/// | --- | --- |
/// | `host:port`, `dns:host:port`, `dns:///host:port` | every address of the name, looked up again from time to time |
/// | `a:1,b:2`, `static:a:1,b:2` | a list, in this order; its names are looked up like a single one |
/// | `ipv4:192.0.2.1:80,192.0.2.2:80`, `ipv6:[2001:db8::1]:80` | a list of numbers, never looked up |
///
/// An IPv6 address stands in brackets. Every address has a port.
public struct RPCTarget: Hashable, Sendable, CustomStringConvertible {
  public struct Address: Hashable, Sendable, CustomStringConvertible {
    public let host: String
    public let port: Int

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// True if the host is a number.
    var isNumeric: Bool { (try? SocketAddress(ipAddress: host, port: port)) != nil }
    var isIPv6: Bool { host.contains(":") }
  }

  /// At least one, none twice.
  public let addresses: [Address]

  /// Nil unless every part is an address with a port from 1 to 65535.
  public init?(_ text: String) {
    var text = text[...]
    var accepts: (Address) -> Bool = { _ in true }
    if text.hasPrefix("static:") {
      text = text.dropFirst("static:".count)
    } else if text.hasPrefix("ipv4:") {
      text = text.dropFirst("ipv4:".count)
      accepts = { $0.isNumeric && !$0.isIPv6 }
    } else if text.hasPrefix("ipv6:") {
      text = text.dropFirst("ipv6:".count)
      accepts = { $0.isNumeric && $0.isIPv6 }
    }
    var addresses: [Address] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let address = RPCTarget.address(part), accepts(address) else { return nil }
      if !addresses.contains(address) { addresses.append(address) }
    }
    self.addresses = addresses
  }

  private static func address(_ text: Substring) -> Address? {
    var text = text
    while text.first == " " { text.removeFirst() }
    while text.last == " " { text.removeLast() }
    for scheme in ["dns:///", "dns:"] where text.hasPrefix(scheme) {
      text.removeFirst(scheme.count)
      break
    }
    guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0
    else { return nil }
    var host = text[..<colon]
    let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
    if isBracketed { host = host.dropFirst().dropLast() }
    guard !host.isEmpty, !host.contains("/"), host.contains(":") == isBracketed else { return nil }
    return Address(host: String(host), port: Int(port))
  }

  /// True if there is nothing to look up.
  var isNumeric: Bool { addresses.allSatisfy(\.isNumeric) }

  public var description: String { addresses.map(\.description).joined(separator: ",") }
}
