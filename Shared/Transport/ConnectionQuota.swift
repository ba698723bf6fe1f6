public import NIOCore
internal import Synchronization

/// How many connections a server has, in all and from each address.
public final class ConnectionQuota: Sendable {
  private struct State {
    var count = 0
    var perAddress: [Address: Int] = [:]
  }

  /// What counts as one client: an IPv4 address, or a /64 network of IPv6, of which a host has as many addresses as
  /// it likes.
  private enum Address: Hashable {
    case v4(UInt32)
    case v6(UInt64)

    init?(_ address: SocketAddress?) {
      switch address {
      case .v4(let address): self = .v4(address.address.sin_addr.s_addr)
      case .v6(let address):
        var bytes = address.address.sin6_addr
        self = withUnsafeBytes(of: &bytes) { bytes in
          let network = bytes.loadUnaligned(as: UInt64.self)
          let isMapped = network == 0 && bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self) == Address.mapped
          return isMapped ? .v4(bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self)) : .v6(network)
        }
      case .unixDomainSocket, nil: return nil
      }
    }

    /// The third word of an IPv4 address that is written as IPv6 (RFC 4291, 2.5.5.2).
    private static let mapped = UInt32(bigEndian: 0x0000_FFFF)
  }

  private let max: Int
  private let perAddressMax: Int?
  private let state = Mutex(State())

  public init(max: Int, perAddressMax: Int?) {
    self.max = max
    self.perAddressMax = perAddressMax
  }

  public var count: Int { state.withLock { $0.count } }

  /// Counts a connection that was accepted until it has closed; false when it must be closed at once.
  public func admit(_ channel: any Channel) -> Bool {
    let address = perAddressMax == nil ? nil : Address(channel.remoteAddress)
    guard take(address) else { return false }
    channel.closeFuture.whenComplete { _ in self.giveBack(address) }
    return true
  }

  private func take(_ address: Address?) -> Bool {
    state.withLock { state in
      guard state.count < max else { return false }
      if let address, let perAddressMax {
        guard state.perAddress[address, default: 0] < perAddressMax else { return false }
        state.perAddress[address, default: 0] += 1
      }
      state.count += 1
      return true
    }
  }

  private func giveBack(_ address: Address?) {
    state.withLock { state in
      state.count -= 1
      guard let address, let count = state.perAddress[address] else { return }
      state.perAddress[address] = count > 1 ? count - 1 : nil
    }
  }
}
