internal import Synchronization

/// Which side of a call sends more than one message.
public enum CallKind: Hashable, Sendable {
  case unary
  case clientStreaming
  case serverStreaming
  case bidirectional
}

/// Who may call a method and how, as the option `(mobo.common.v1.method)` of its proto says.
public struct MethodRules: Hashable, Sendable {
  /// No access token is needed.
  public let isPublic: Bool
  /// Users holding one of these roles pass the role gate; `*` stands for any role.
  public let roles: [String]
  /// The services that may call an internal method, by service name.
  public let callers: [String]
  /// Changes state: takes a request id and reads a fresh principal.
  public let mutating: Bool
  /// The largest JSON body at the gateway in bytes; 0 means the gateway's default.
  public let bodyBytesMax: Int

  public init(
    isPublic: Bool = false, roles: [String] = [], callers: [String] = [], mutating: Bool = false, bodyBytesMax: Int = 0
  ) {
    self.isPublic = isPublic
    self.roles = roles
    self.callers = callers
    self.mutating = mutating
    self.bodyBytesMax = bodyBytesMax
  }

  /// Of a method without the option: nobody may call it.
  public static let closed = MethodRules()
}

/// One method of a service, as its proto declares it. Made by generated code only: names are never typed twice.
///
/// A reference to what never changes, so that passing it on costs nothing.
public final class MethodDescriptor: Hashable, Sendable {
  /// The full name of the service: `mobo.wallet.v1.WalletService`.
  public let service: String
  /// The method's own name: `Deposit`.
  public let name: String
  /// The HTTP/2 `:path`: `/mobo.wallet.v1.WalletService/Deposit`.
  public let path: String
  public let kind: CallKind
  public let rules: MethodRules
  /// A number of the descriptor's own, from 0 on in order of first use: the place of the method in tables.
  public let ordinal: Int
  /// True in services for other services only, which the gateway never routes (`…InternalService`).
  public let isInternal: Bool

  public init(service: String, name: String, kind: CallKind = .unary, rules: MethodRules = .closed) {
    self.service = service
    self.name = name
    path = "/\(service)/\(name)"
    self.kind = kind
    self.rules = rules
    ordinal = MethodDescriptor.ordinals.wrappingAdd(1, ordering: .relaxed).oldValue
    isInternal = service.hasSuffix("InternalService")
  }

  private static let ordinals = Atomic(0)

  public static func == (left: MethodDescriptor, right: MethodDescriptor) -> Bool {
    left === right || left.path == right.path
  }

  public func hash(into hasher: inout Hasher) { hasher.combine(path) }
}

extension MethodDescriptor: CustomStringConvertible {
  /// `mobo.wallet.v1.WalletService/Deposit`.
  public var description: String { "\(service)/\(name)" }
}
