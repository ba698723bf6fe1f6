/// Work around every call of a server, whatever its kind, before a message is decoded: identity, limits, logs.
///
/// The first interceptor of a server is the outermost. It sees no messages. `next` is called at most once and
/// returns when the handler has; throwing without calling it refuses the call, throwing after it fails the call. It is
/// `@concurrent`, as any function is to modules that do not say otherwise.
public protocol ServerInterceptor: Sendable {
  func intercept(_ context: CallContext, next: @concurrent (CallContext) async throws -> Void) async throws
}

/// An interceptor that never waits. The runtime runs neighbouring filters in one step, which costs a fraction of
/// what an interceptor around `next` does: whoever does not need to wait should be a filter.
public protocol ServerFilter: ServerInterceptor {
  /// Lets the call pass, perhaps with something left in its context, or refuses it by throwing.
  func admit(_ context: inout CallContext) throws

  /// The call that `admit` let pass is over: called exactly once for each, with what it failed with, if it failed.
  /// Comes when the handler has ended, however much earlier its caller was told or went away.
  func finished(_ context: CallContext, _ error: (any Error)?)
}

extension ServerFilter {
  public func finished(_ context: CallContext, _ error: (any Error)?) {}

  public func intercept(_ context: CallContext, next: @concurrent (CallContext) async throws -> Void) async throws {
    var context = context
    try admit(&context)
    do {
      try await next(context)
    } catch {
      finished(context, error)
      throw error
    }
    finished(context, nil)
  }
}

/// An interceptor that lets most calls pass at once and makes some wait.
public protocol ServerGate: ServerInterceptor {
  /// Lets the call pass, or refuses it by throwing; false if it has to wait, in `admit`.
  func tryAdmit(_ context: inout CallContext) throws -> Bool

  /// Waits until the call may pass, or refuses it by throwing.
  func admit(_ context: inout CallContext) async throws

  /// The call that was let pass is over, as for a `ServerFilter`.
  func finished(_ context: CallContext, _ error: (any Error)?)
}

extension ServerGate {
  public func intercept(_ context: CallContext, next: @concurrent (CallContext) async throws -> Void) async throws {
    var context = context
    if try !tryAdmit(&context) { try await admit(&context) }
    do {
      try await next(context)
    } catch {
      finished(context, error)
      throw error
    }
    finished(context, nil)
  }
}
