internal import Kernel

/// The interceptors of a server around a method's code.
struct CallChain: Sendable {
  /// What stands in front of the handler, in order.
  private enum Link: Sendable {
    case filter(any ServerFilter)
    case interceptor(any ServerInterceptor)
  }

  private let links: [Link]

  init(_ interceptors: [any ServerInterceptor]) {
    links = interceptors.map { ($0 as? any ServerFilter).map(Link.filter) ?? .interceptor($0) }
  }

  /// Runs the handler, with the scope and the deadline bound for everything that happens in the call.
  func run(_ context: CallContext, _ handler: (CallContext) async throws -> Void) async throws {
    try await CallScope.$current.withValue(context) {
      guard let deadline = context.deadline else { return try await step(0, context, handler) }
      return try await Deadline.$current.withValue(deadline) { try await step(0, context, handler) }
    }
  }

  /// Passes the filters from `first` on to the next interceptor or the handler, and tells the filters of the end.
  private func step(
    _ first: Int, _ context: CallContext, _ handler: (CallContext) async throws -> Void
  ) async throws {
    var context = context
    var admitted = first
    do {
      while admitted < links.count, case .filter(let filter) = links[admitted] {
        try filter.admit(&context)
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

  private func finish(_ filters: Range<Int>, _ context: CallContext, _ error: (any Error)?) {
    for index in filters.reversed() {
      if case .filter(let filter) = links[index] { filter.finished(context, error) }
    }
  }
}
