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
    return GrpcHealthV1.HealthCheckResponse(status: status)
  }

  func list(
    _ request: GrpcHealthV1.HealthListRequest, _ context: CallContext
  ) async throws -> GrpcHealthV1.HealthListResponse {
    let answer = GrpcHealthV1.HealthCheckResponse(status: status)
    return GrpcHealthV1.HealthListResponse(
      statuses: Dictionary(names.union([""]).map { ($0, answer) }, uniquingKeysWith: { first, _ in first }))
  }

  private var status: GrpcHealthV1.HealthCheckResponse.ServingStatus { health.isServing ? .serving : .notServing }
}
