internal import HTTP2

/// What the heads of all calls of a method to one address begin with, made once.
struct CallHeads {
  private let authority: String
  private let scheme: String
  private var heads: [String: HeaderList] = [:]

  init(authority: String, isEncrypted: Bool) {
    self.authority = authority
    scheme = isEncrypted ? "https" : "http"
  }

  mutating func head(of method: MethodDescriptor) -> HeaderList {
    if let head = heads[method.path] { return head }
    let head = HeaderList([
      (":method", "POST"), (":scheme", scheme), (":path", method.path), (":authority", authority),
      ("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", CallHeads.userAgent),
      ("grpc-accept-encoding", MessageEncoding.accepted),
    ])
    if heads.count < CallHeads.methodsMax { heads[method.path] = head }
    return head
  }

  private static let userAgent = "grpc-swift-mobo/1"
  /// More methods than any service has; whoever makes names up gets each head made anew.
  private static let methodsMax = 256
}
