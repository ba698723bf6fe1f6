internal import HTTP2

/// What the head of a request says to the runtime; read in one pass over its fields. A reference, because calls whose
/// heads are alike share it.
final class RequestHead {
  let isPOST: Bool
  let isHEAD: Bool
  let isGRPC: Bool
  /// Of the request's messages; nil for one that is not understood here.
  let encoding: MessageEncoding?
  let isTimeoutWellFormed: Bool
  let timeout: Duration?
  let hasRequestID: Bool
  let method: BoundMethod?

  init(_ headers: HeaderList, _ router: Router) {
    var isPOST = false
    var isHEAD = false
    var isGRPC = false
    var encoding: MessageEncoding? = .identity
    var isTimeoutWellFormed = true
    var timeout: Duration?
    var hasRequestID = false
    var method: BoundMethod?
    for field in headers {
      // The length tells most names apart, so that each is compared with one text at most.
      switch field.name.count {
      case 5 where headers.matches(field.name, ":path"):
        method = router.find(headers, field.value)
      case 7 where headers.matches(field.name, ":method"):
        isPOST = headers.matches(field.value, "POST")
        if !isPOST { isHEAD = headers.matches(field.value, "HEAD") }
      case 12:
        if headers.matches(field.name, "content-type") {
          isGRPC =
            headers.matches(field.value, "application/grpc") || RequestHead.isGRPC(headers.bytes[field.value])
        } else if headers.matches(field.name, "grpc-timeout") {
          timeout = Timeout.parse(headers.bytes[field.value])
          isTimeoutWellFormed = timeout != nil
        } else if headers.matches(field.name, "x-request-id") {
          hasRequestID = true
        }
      case 13 where headers.matches(field.name, "grpc-encoding"):
        encoding = MessageEncoding(wire: headers.bytes[field.value])
      default: break
      }
    }
    self.isPOST = isPOST
    self.isHEAD = isHEAD
    self.isGRPC = isGRPC
    self.encoding = encoding
    self.isTimeoutWellFormed = isTimeoutWellFormed
    self.timeout = timeout
    self.hasRequestID = hasRequestID
    self.method = method
  }

  /// For messages about an unknown method.
  static func shownPath(_ headers: HeaderList) -> String {
    String((headers.first(":path") ?? "").prefix(shownPathMax))
  }

  /// `application/grpc`, alone or followed by `+format` or parameters. The only format here is protobuf.
  static func isGRPC(_ contentType: ArraySlice<UInt8>) -> Bool {
    guard contentType.starts(with: grpcType) else { return false }
    let rest = contentType.dropFirst(grpcType.count)
    guard let first = rest.first else { return true }
    return first == UInt8(ascii: ";") || rest.elementsEqual(protoSuffix)
      || rest.starts(with: protoSuffix + [UInt8(ascii: ";")])
  }

  private static let grpcType = Array("application/grpc".utf8)
  private static let protoSuffix = Array("+proto".utf8)
  private static let shownPathMax = 256
}
