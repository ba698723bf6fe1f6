import Messages
import RPC
import Stubs

/// `grpc.health.v1.Health` of every executable.
struct HealthService: HealthHandlers {
  let health: HealthState
  /// Full names of the services that this process has.
  let names: Set<String>

  func check(
    _ request: GrpcHealthV1.HealthCheckRequest, _ context: CallContext
  ) async throws -> GrpcHealthV1.HealthCheckResponse {
    guard request.service.isEmpty || names.contains(request.service) else {
      throw RPCError(.notFound, "this process has no service of that name")
    }
    return GrpcHealthV1.HealthCheckResponse(status: health.isServing ? .serving : .notServing)
  }
}
