import Kernel
import RPC
import Synchronization
import Telemetry

/// Counts calls and their durations by method and status (names of gRPC's metrics).
struct CallMetrics: ServerFilter {
  static let started = "grpc_server_call_started"
  static let duration = "grpc_server_call_duration_seconds"

  private let series: CallSeries

  init(_ metrics: Metrics) {
    series = CallSeries(metrics)
    metrics.describe(Self.started, "Calls that were begun.")
    metrics.describe(Self.duration, "Time from the head of the request to the end of its handler.")
  }

  func admit(_ context: inout CallContext) {
    series.of(context.method).started.increment()
  }

  func finished(_ context: CallContext, _ error: (any Error)?) {
    let status = error.map(Self.status) ?? .ok
    series.of(context.method).durations(status).observe(context.started.duration(to: .now))
  }

  private static func status(of error: any Error) -> StatusCode {
    switch error {
    case let error as RPCError: error.code
    case is CancellationError: .cancelled
    default: StatusCode(Failure.visible(error).kind)
    }
  }
}

/// The series of every method, named once and not with every call.
private final class CallSeries: Sendable {
  final class OfMethod: Sendable {
    let started: Metrics.Counter
    private let metrics: Metrics
    private let method: String
    private let durations = Mutex([Metrics.Histogram?](repeating: nil, count: StatusCode.allCases.count))

    init(_ metrics: Metrics, _ method: MethodDescriptor) {
      self.metrics = metrics
      self.method = method.description
      started = metrics.counter(CallMetrics.started, ["grpc_method": self.method])
    }

    func durations(_ status: StatusCode) -> Metrics.Histogram {
      durations.withLock { durations in
        if let known = durations[status.rawValue] { return known }
        let labels: KeyValuePairs = ["grpc_method": method, "grpc_status": status.description]
        let new = metrics.histogram(CallMetrics.duration, labels)
        durations[status.rawValue] = new
        return new
      }
    }
  }

  private let metrics: Metrics
  /// By the method's ordinal.
  private let methods = Mutex<[OfMethod?]>([])

  init(_ metrics: Metrics) {
    self.metrics = metrics
  }

  func of(_ method: MethodDescriptor) -> OfMethod {
    methods.withLock { methods in
      while methods.count <= method.ordinal { methods.append(nil) }
      if let known = methods[method.ordinal] { return known }
      let new = OfMethod(metrics, method)
      methods[method.ordinal] = new
      return new
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
