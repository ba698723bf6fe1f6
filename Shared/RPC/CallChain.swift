internal import Kernel

/// The interceptors of a server around a method's code.
struct CallChain: Sendable {
  /// What stands in front of the handler, in order.
  private enum Link: Sendable {
    case filter(any ServerFilter)
    case gate(any ServerGate)
    case interceptor(any ServerInterceptor)
  }

  private let links: [Link]

  init(_ interceptors: [any ServerInterceptor]) {
    links = interceptors.map { interceptor in
      switch interceptor {
      case let filter as any ServerFilter: .filter(filter)
      case let gate as any ServerGate: .gate(gate)
      default: .interceptor(interceptor)
      }
    }
  }

  /// Runs the handler, with the scope and the deadline bound for whatever may wait: interceptors and the handler.
  func run(_ context: CallContext, _ handler: (CallContext) async throws -> Void) async throws {
    try await step(0, context, isBound: false, handler)
  }

  /// Passes the filters and gates from `first` on to the next interceptor or the handler, and tells them of the end.
  /// Calls inside are as few as can be: each async one costs as much as a filter.
  private func step(
    _ first: Int, _ context: CallContext, isBound: Bool, _ handler: (CallContext) async throws -> Void
  ) async throws {
    var context = context
    var admitted = first
    do {
      passing: while admitted < links.count {
        switch links[admitted] {
        case .filter(let filter): try filter.admit(&context)
        case .gate(let gate): if try !gate.tryAdmit(&context) { try await gate.admit(&context) }
        case .interceptor: break passing
        }
        admitted += 1
      }
      if admitted < links.count || (!isBound && context.deadline != nil) {
        try await pass(admitted, context, isBound: isBound, handler)
      } else if isBound && !context.hasValues {
        try await handler(context)
      } else {
        // The handler's own calls see what the interceptors found out, the caller above all.
        try await CallScope.$current.withValue(context) { try await handler(context) }
      }
    } catch {
      finish(first..<admitted, context, error)
      throw error
    }
    finish(first..<admitted, context, nil)
  }

  /// Runs an interceptor, or the handler of a call with a deadline.
  private func pass(
    _ index: Int, _ context: CallContext, isBound: Bool, _ handler: (CallContext) async throws -> Void
  ) async throws {
    guard isBound else {
      return try await CallScope.$current.withValue(context) {
        guard let deadline = context.deadline else { return try await pass(index, context, isBound: true, handler) }
        try await Deadline.$current.withValue(deadline) { try await pass(index, context, isBound: true, handler) }
      }
    }
    guard index < links.count, case .interceptor(let interceptor) = links[index] else {
      return try await handler(context)
    }
    try await interceptor.intercept(context) { try await step(index + 1, $0, isBound: true, handler) }
  }

  private func finish(_ passed: Range<Int>, _ context: CallContext, _ error: (any Error)?) {
    for index in passed.reversed() {
      switch links[index] {
      case .filter(let filter): filter.finished(context, error)
      case .gate(let gate): gate.finished(context, error)
      case .interceptor: break
      }
    }
  }
}
