public import Messages
public import RPC
public import Stubs

/// `grpc.health.v1.Health`.
public struct HealthService: HealthHandlers {
  private let statuses: HealthStatuses

  public init(_ statuses: HealthStatuses) {
    self.statuses = statuses
  }

  public func check(
    _ request: GrpcHealthV1.HealthCheckRequest, _ context: CallContext
  ) async throws -> GrpcHealthV1.HealthCheckResponse {
    guard let status = statuses[request.service] else {
      throw RPCError(.notFound, "this process has no service of that name")
    }
    return GrpcHealthV1.HealthCheckResponse(status: Self.wire(status))
  }

  public func list(
    _ request: GrpcHealthV1.HealthListRequest, _ context: CallContext
  ) async throws -> GrpcHealthV1.HealthListResponse {
    GrpcHealthV1.HealthListResponse(
      statuses: statuses.all.mapValues { GrpcHealthV1.HealthCheckResponse(status: Self.wire($0)) })
  }

  /// Ends with UNAVAILABLE when the process drains: the watcher shall ask another one.
  public func watch(
    _ request: GrpcHealthV1.HealthCheckRequest, _ context: CallContext,
    _ responses: ResponseWriter<GrpcHealthV1.HealthCheckResponse>
  ) async throws {
    try await statuses.watch(request.service) { status in
      let status = status.map(Self.wire) ?? .serviceUnknown
      try await responses.write(GrpcHealthV1.HealthCheckResponse(status: status))
    }
    try Task.checkCancellation()
    throw RPCError(.unavailable, "the process is shutting down")
  }

  private static func wire(_ status: HealthStatuses.Status) -> GrpcHealthV1.HealthCheckResponse.ServingStatus {
    switch status {
    case .serving: .serving
    case .notServing: .notServing
    }
  }
}
