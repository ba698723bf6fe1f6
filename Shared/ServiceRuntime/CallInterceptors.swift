import Kernel
import RPC
import Telemetry

/// Counts calls and their durations by method and status (names of gRPC's metrics).
struct CallMetrics: ServerInterceptor {
  static let started = "grpc_server_call_started"
  static let duration = "grpc_server_call_duration_seconds"

  let metrics: Metrics

  init(_ metrics: Metrics) {
    self.metrics = metrics
    metrics.describe(Self.started, "Calls that were begun.")
    metrics.describe(Self.duration, "Time from the whole request to the whole answer.")
  }

  func intercept(
    _ context: CallContext, next: (CallContext) async throws -> RawResponse
  ) async throws -> RawResponse {
    let method = context.method.description
    metrics.increment(Self.started, ["grpc_method": method])
    let begin = ContinuousClock.now
    var status = StatusCode.ok
    defer {
      metrics.observe(
        Self.duration, ["grpc_method": method, "grpc_status": status.description], begin.duration(to: .now))
    }
    do {
      return try await next(context)
    } catch {
      status = Self.status(of: error)
      throw error
    }
  }

  private static func status(of error: any Error) -> StatusCode {
    switch error {
    case let error as RPCError: error.code
    case is CancellationError: .cancelled
    default: StatusCode(Failure.visible(error).kind)
    }
  }
}

/// Bounds calls whose caller set no deadline, or a longer one than this process is willing to work for
/// (REQUEST_TIMEOUT_MS). Remote calls and database commands of the call read it.
struct RequestTimeout: ServerInterceptor {
  let limit: Duration

  func intercept(
    _ context: CallContext, next: (CallContext) async throws -> RawResponse
  ) async throws -> RawResponse {
    try await Deadline.$current.withValue(Deadline.soonest(of: limit)) { try await next(context) }
  }
}
