public import Messages

// The rich half of a status: typed messages in `google.rpc.Status.details`.

extension RPCError {
  private static let typePrefix = "type.googleapis.com/"

  /// Adds a detail. One that cannot be encoded is left out: the status itself must still arrive.
  public mutating func append(detail: some Message) {
    guard let value = try? detail.serialized() else { return }
    details.append(
      GoogleProtobuf.`Any`(typeUrl: RPCError.typePrefix + type(of: detail).fullName, value: value))
  }

  /// The first detail of a type.
  public func detail<Detail: Message>(_ type: Detail.Type = Detail.self) -> Detail? {
    for detail in details where detail.typeUrl.hasSuffix("/" + type.fullName) {
      if let value = try? type.init(serialized: detail.value) { return value }
    }
    return nil
  }

  public var errorInfo: GoogleRPC.ErrorInfo? { detail() }
  public var badRequest: GoogleRPC.BadRequest? { detail() }
  public var retryInfo: GoogleRPC.RetryInfo? { detail() }
  public var resourceInfo: GoogleRPC.ResourceInfo? { detail() }
  public var preconditionFailure: GoogleRPC.PreconditionFailure? { detail() }
  public var quotaFailure: GoogleRPC.QuotaFailure? { detail() }
}
