internal import Kernel

/// The interceptors of a server around a method's code.
struct CallChain: Sendable {
  let interceptors: [any ServerInterceptor]

  typealias Answer = @Sendable (_ message: [UInt8], _ context: CallContext) async throws -> [UInt8]

  /// Answers a call, with the scope and the deadline bound for everything that happens in it.
  func run(_ context: CallContext, _ message: [UInt8], _ answer: Answer) async throws -> RawResponse {
    try await CallScope.$current.withValue(context) {
      guard let deadline = context.deadline else { return try await step(0, context, message, answer) }
      return try await Deadline.$current.withValue(deadline) { try await step(0, context, message, answer) }
    }
  }

  private func step(
    _ index: Int, _ context: CallContext, _ message: [UInt8], _ answer: Answer
  ) async throws -> RawResponse {
    guard index == interceptors.count else {
      return try await interceptors[index].intercept(context) { try await step(index + 1, $0, message, answer) }
    }
    // The handler's own calls see what the interceptors found out, the caller above all.
    guard context.hasValues else { return RawResponse(message: try await answer(message, context)) }
    return try await CallScope.$current.withValue(context) {
      RawResponse(message: try await answer(message, context))
    }
  }
}
