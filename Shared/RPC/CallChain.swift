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

  /// Runs the handler, with the scope and the deadline bound for everything that happens in the call.
  func run(_ context: CallContext, _ handler: (CallContext) async throws -> Void) async throws {
    try await CallScope.$current.withValue(context) {
      guard let deadline = context.deadline else { return try await step(0, context, handler) }
      return try await Deadline.$current.withValue(deadline) { try await step(0, context, handler) }
    }
  }

  /// Passes the filters and gates from `first` on to the next interceptor or the handler, and tells them of the end.
  private func step(
    _ first: Int, _ context: CallContext, _ handler: (CallContext) async throws -> Void
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
      try await pass(admitted, context, handler)
    } catch {
      finish(first..<admitted, context, error)
      throw error
    }
    finish(first..<admitted, context, nil)
  }

  private func pass(
    _ index: Int, _ context: CallContext, _ handler: (CallContext) async throws -> Void
  ) async throws {
    if index < links.count, case .interceptor(let interceptor) = links[index] {
      return try await interceptor.intercept(context) { try await step(index + 1, $0, handler) }
    }
    // The handler's own calls see what the interceptors found out, the caller above all.
    guard context.hasValues else { return try await handler(context) }
    try await CallScope.$current.withValue(context) { try await handler(context) }
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
