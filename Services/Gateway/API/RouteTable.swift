import Kernel
import RPC
import Stubs

/// Which path leads to which method, and who answers it.
public struct RouteTable: Sendable {
  struct Route: Sendable {
    let transcoding: TranscodedRoute
    let backend: any Backend

    var method: MethodDescriptor { transcoding.descriptor }
  }

  /// By path.
  private let routes: [String: Route]

  /// - Parameter backends: by proto package, `mobo.wallet.v1`. A route without a back end does not exist.
  public init(_ all: [TranscodedRoute] = PublicRoutes.all, backends: [String: any Backend]) {
    var routes: [String: Route] = [:]
    for route in all where !route.descriptor.isInternal {
      guard let backend = backends[route.package] else { continue }
      routes[route.descriptor.path] = Route(transcoding: route, backend: backend)
    }
    self.routes = routes
  }

  /// All methods that have a route.
  public var methods: [MethodDescriptor] { routes.values.map(\.method) }

  func route(_ path: String) -> Route? { routes[path] }
}
