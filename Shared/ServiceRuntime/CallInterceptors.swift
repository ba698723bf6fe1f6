import Kernel
import RPC
import Telemetry

/// Counts calls and their durations by method and status (names of gRPC's metrics).
struct CallMetrics: ServerFilter {
  static let started = "grpc_server_call_started"
  static let duration = "grpc_server_call_duration_seconds"

  let metrics: Metrics

  init(_ metrics: Metrics) {
    self.metrics = metrics
    metrics.describe(Self.started, "Calls that were begun.")
    metrics.describe(Self.duration, "Time from the head of the request to the end of its handler.")
  }

  func admit(_ context: inout CallContext) {
    metrics.increment(Self.started, ["grpc_method": context.method.description])
  }

  func finished(_ context: CallContext, _ error: (any Error)?) {
    let status = error.map(Self.status) ?? .ok
    metrics.observe(
      Self.duration, ["grpc_method": context.method.description, "grpc_status": status.description],
      context.started.duration(to: .now))
  }

  private static func status(of error: any Error) -> StatusCode {
    switch error {
    case let error as RPCError: error.code
    case is CancellationError: .cancelled
    default: StatusCode(Failure.visible(error).kind)
    }
  }
}

/// Bounds unary calls whose caller set no deadline, or a longer one than this process is willing to work for
/// (REQUEST_TIMEOUT_MS). Remote calls and database commands of the call read it. A stream may be meant to last: only
/// its caller bounds it.
struct RequestTimeout: ServerInterceptor {
  let limit: Duration

  func intercept(_ context: CallContext, next: (CallContext) async throws -> Void) async throws {
    guard context.method.kind == .unary else { return try await next(context) }
    try await Deadline.$current.withValue(Deadline.soonest(of: limit)) { try await next(context) }
  }
}
