import Kernel
import RPC

/// Who answers a call that came in by HTTP.
public protocol Backend: Sendable {
  /// The encoded answer. The call's scope and deadline are bound to the task.
  func unary(_ method: MethodDescriptor, _ message: [UInt8], hasRequestID: Bool) async throws -> [UInt8]
}

/// A service behind a channel.
public struct ChannelBackend: Backend {
  private let channel: RPCChannel

  public init(_ channel: RPCChannel) {
    self.channel = channel
  }

  public func unary(_ method: MethodDescriptor, _ message: [UInt8], hasRequestID: Bool) async throws -> [UInt8] {
    // One attempt may take all the time there is: a saga may need it, and a hung service is a time-out either way.
    // A public method without a request id (Login) is sent once: a second wrong password would count twice.
    let isRepeatable = hasRequestID || !method.rules.isPublic
    let options = CallOptions(
      metadata: ForwardedMetadata.aboutClient, attemptDeadline: nil, retry: isRepeatable ? .standard : .none)
    return try await channel.unary(method, message, options: options)
  }
}

/// Methods that the gateway answers itself.
public struct OwnBackend: Backend {
  private let handlers: [MethodDescriptor: BoundMethod.Handler]

  public init(_ binding: any ServiceBinding) {
    handlers = Dictionary(
      binding.methods.map { ($0.descriptor, $0.handler) }, uniquingKeysWith: { first, _ in first })
  }

  public func unary(_ method: MethodDescriptor, _ message: [UInt8], hasRequestID: Bool) async throws -> [UInt8] {
    guard let handler = handlers[method] else {
      throw Failure(.unimplemented, "\(method.name) is not implemented")
    }
    let context = CallScope.current ?? CallContext(method: method)
    switch handler {
    case .unary(let answer): return try await answer(message, context)
    case .streaming: throw Failure(.unimplemented, "\(method.name) is a stream")
    }
  }
}
