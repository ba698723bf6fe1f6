/// The addresses of a channel: `host:port`, `dns:///host:port`, or several separated by commas, tried in order.
public struct RPCTarget: Hashable, Sendable, CustomStringConvertible {
  public struct Address: Hashable, Sendable, CustomStringConvertible {
    public let host: String
    public let port: Int

    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }

  /// At least one.
  public let addresses: [Address]

  /// Nil unless every part is an address with a port from 1 to 65535.
  public init?(_ text: String) {
    var addresses: [Address] = []
    for part in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let address = RPCTarget.address(part) else { return nil }
      addresses.append(address)
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
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    guard !host.isEmpty, !host.contains("/") else { return nil }
    return Address(host: String(host), port: Int(port))
  }

  public var description: String { addresses.map(\.description).joined(separator: ",") }
}
