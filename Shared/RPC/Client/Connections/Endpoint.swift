/// One address that a channel can connect to.
struct Endpoint: Sendable {
  /// A number.
  let host: String
  let port: Int
  /// As the target names it: what calls say they are for, and what a certificate may have to name.
  let name: RPCTarget.Address

  var address: RPCTarget.Address { RPCTarget.Address(host: host, port: port) }
}

/// Looks names up.
struct NameResolver: Sendable {
  /// The numbers of a host, best first. Throws if there are none.
  let addresses: @Sendable (_ host: String) async throws -> [String]

  /// All addresses of the target, in its order. Names that are not found are left out while there are others.
  func endpoints(of target: RPCTarget) async throws -> [Endpoint] {
    var endpoints: [Endpoint] = []
    var seen: Set<RPCTarget.Address> = []
    var failure: (any Error)?
    for name in target.addresses {
      do {
        let hosts = name.isNumeric ? [name.host] : try await addresses(name.host)
        for host in hosts {
          let endpoint = Endpoint(host: host, port: name.port, name: name)
          if seen.insert(endpoint.address).inserted { endpoints.append(endpoint) }
        }
      } catch {
        failure = error
      }
    }
    if endpoints.isEmpty { throw failure ?? NameFailure(host: target.description, reason: "no addresses") }
    return endpoints
  }
}

/// A name that has no addresses now.
struct NameFailure: Error, CustomStringConvertible {
  let host: String
  let reason: String

  var description: String { "cannot resolve \(host): \(reason)" }
}
