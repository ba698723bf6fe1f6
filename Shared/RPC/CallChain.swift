internal import Kernel

/// The interceptors of a server around a method's code.
///
/// Made for handlers behind gates that need not wait, which are nearly all: each async call on their way costs more
/// than a gate, so there is one, around which the call's context is bound.
final class CallChain: Sendable {
  /// Filters and gates, up to the first interceptor or the handler.
  private let gates: [Gate]
  private let interceptor: (any ServerInterceptor)?
  /// What stands behind the interceptor.
  private let rest: CallChain?

  init(_ interceptors: some Sequence<any ServerInterceptor>) {
    var gates: [Gate] = []
    var others = Array(interceptors)[...]
    while let gate = others.first.flatMap(Gate.of) {
      gates.append(gate)
      others.removeFirst()
    }
    self.gates = gates
    interceptor = others.popFirst()
    rest = interceptor == nil ? nil : CallChain(others)
  }

  /// Runs the handler, with the scope and the deadline bound for whatever may wait: interceptors and the handler.
  ///
  /// Inlined, because an async function of its own would look twice at which executor it is on. Behind an interceptor
  /// they are bound already.
  @concurrent @inline(__always)
  func run<Answer>(
    _ context: CallContext, isBound: Bool = false, _ handler: @concurrent (CallContext) async throws -> Answer
  ) async throws -> Answer {
    var context = context
    var passed = 0
    do {
      if try !enter(&context, &passed) { try await enterWaiting(&context, &passed) }
      let answer: Answer
      if interceptor == nil, isBound ? context.hasValues : context.deadline == nil {
        // Bound again, what the interceptors found out is seen by the handler's own calls, the caller above all.
        answer = try await CallScope.$current.withValue(
          context, operation: { try await handler(context) }, isolation: nil)
      } else if isBound {
        answer = try await pass(context, handler)
      } else {
        answer = try await bind(context, handler)
      }
      finish(passed, context, nil)
      return answer
    } catch {
      finish(passed, context, error)
      throw error
    }
  }

  @concurrent
  private func bind<Answer>(
    _ context: CallContext, _ handler: @concurrent (CallContext) async throws -> Answer
  ) async throws -> Answer {
    try await CallScope.$current.withValue(context) {
      guard let deadline = context.deadline else { return try await pass(context, handler) }
      return try await Deadline.$current.withValue(deadline) { try await pass(context, handler) }
    }
  }

  /// Runs what stands behind the gates, with the scope and the deadline bound.
  @concurrent
  private func pass<Answer>(
    _ context: CallContext, _ handler: @concurrent (CallContext) async throws -> Answer
  ) async throws -> Answer {
    guard let interceptor, let rest else { return try await handler(context) }
    var answer: Answer?
    try await interceptor.intercept(context) { answer = try await rest.run($0, isBound: true, handler) }
    guard let answer else { throw Failure(.internalError, "\(type(of: interceptor)) has dropped a call") }
    return answer
  }

  /// Passes the gates from `passed` on; false before one where the call has to wait.
  private func enter(_ context: inout CallContext, _ passed: inout Int) throws -> Bool {
    while passed < gates.count {
      guard try gates[passed].tryAdmit(&context) else { return false }
      passed += 1
    }
    return true
  }

  @concurrent
  private func enterWaiting(_ context: inout CallContext, _ passed: inout Int) async throws {
    repeat {
      try await gates[passed].admit(&context)
      passed += 1
    } while try !enter(&context, &passed)
  }

  private func finish(_ passed: Int, _ context: CallContext, _ error: (any Error)?) {
    var index = passed
    while index > 0 {
      index -= 1
      gates[index].finished(context, error)
    }
  }
}

/// A filter or a gate as the chain sees it. Functions, because looking at one in a list of existentials copies it.
private struct Gate: Sendable {
  let tryAdmit: @Sendable (inout CallContext) throws -> Bool
  let admit: @concurrent @Sendable (inout CallContext) async throws -> Void
  let finished: @Sendable (CallContext, (any Error)?) -> Void

  /// Nil for an interceptor of another kind.
  static func of(_ interceptor: any ServerInterceptor) -> Gate? {
    switch interceptor {
    case let filter as any ServerFilter: Gate(filter)
    case let gate as any ServerGate: Gate(gate)
    default: nil
    }
  }

  private init(_ filter: some ServerFilter) {
    tryAdmit = {
      try filter.admit(&$0)
      return true
    }
    admit = { _ in }
    finished = { filter.finished($0, $1) }
  }

  private init(_ gate: some ServerGate) {
    tryAdmit = { try gate.tryAdmit(&$0) }
    admit = { try await gate.admit(&$0) }
    finished = { gate.finished($0, $1) }
  }
}
