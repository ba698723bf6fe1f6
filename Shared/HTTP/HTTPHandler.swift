/// What is known of a request before its body is read.
public struct HTTPRequestHead: Sendable {
  /// Upper-case, as sent.
  public let method: String
  /// The path without the query, still percent-encoded; begins with `/`, or is `*`.
  public let path: String
  /// What follows the `?`, still encoded; nil without one.
  public let query: String?
  /// In the order of arrival, names lower-case.
  public let headers: HTTPFields
  /// The address of the peer.
  public let peer: String

  public init(method: String, path: String, query: String? = nil, headers: HTTPFields = [], peer: String = "") {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.peer = peer
  }
}

public struct HTTPRequest: Sendable {
  public let head: HTTPRequestHead
  public let body: [UInt8]

  public init(head: HTTPRequestHead, body: [UInt8] = []) {
    self.head = head
    self.body = body
  }
}

/// A whole response. The server adds `content-length`, `date` and the connection's own headers.
public struct HTTPResponse: Sendable {
  public var status: Int
  public var headers: HTTPFields
  public var body: [UInt8]

  public init(status: Int, headers: HTTPFields = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  public init(status: Int, contentType: String, text: String) {
    self.init(status: status, headers: ["content-type": contentType], body: Array(text.utf8))
  }
}

/// Header fields in order, names compared without case.
public struct HTTPFields: Sendable, Hashable, ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral, Sequence {
  public struct Field: Sendable, Hashable {
    /// Lower-case.
    public let name: String
    public let value: String

    public init(_ name: String, _ value: String) {
      self.name = name.lowercased()
      self.value = value
    }
  }

  private var fields: [Field]

  public init(_ fields: [Field] = []) {
    self.fields = fields
  }

  public init(dictionaryLiteral elements: (String, String)...) {
    fields = elements.map { Field($0.0, $0.1) }
  }

  public init(arrayLiteral elements: Field...) {
    fields = elements
  }

  /// The first value of `name`; setting replaces every value, nil removes them.
  public subscript(_ name: String) -> String? {
    get {
      let wanted = name.lowercased()
      return fields.first { $0.name == wanted }?.value
    }
    set {
      let wanted = name.lowercased()
      fields.removeAll { $0.name == wanted }
      if let newValue { fields.append(Field(wanted, newValue)) }
    }
  }

  public func all(_ name: String) -> [String] {
    let wanted = name.lowercased()
    return fields.filter { $0.name == wanted }.map(\.value)
  }

  public mutating func append(_ name: String, _ value: String) {
    fields.append(Field(name, value))
  }

  public var count: Int { fields.count }

  public func makeIterator() -> IndexingIterator<[Field]> { fields.makeIterator() }
}

/// What the server refuses on its own, before or instead of the handler.
public enum HTTPRefusal: Sendable, Hashable {
  /// The bytes are no HTTP, or a header contradicts itself.
  case malformed(String)
  case headersTooLarge
  /// The body is, or says it will be, longer than the handler's limit of that many bytes.
  case bodyTooLarge(limit: Int)
  /// The request did not arrive in time.
  case timedOut
  /// An `Expect` that nobody here can meet.
  case expectationFailed
  /// The connection already keeps as many bytes of bodies as it may.
  case busy
  /// The server is shutting down.
  case draining

  public var status: Int {
    switch self {
    case .malformed: 400
    case .headersTooLarge: 431
    case .bodyTooLarge: 413
    case .timedOut: 408
    case .expectationFailed: 417
    case .busy, .draining: 503
    }
  }
}

/// What answers requests. Asked in two steps, so that a body nobody wants is never read.
public protocol HTTPHandler: Sendable {
  /// How many bytes of body this request may have; 0 for none. Called before the body arrives.
  func bodyBytesMax(for head: HTTPRequestHead) -> Int

  /// Answers a whole request. Its task is cancelled when the client goes away.
  func respond(to request: HTTPRequest) async -> HTTPResponse

  /// How a refusal of the server looks. `head` is nil when it could not be read.
  func response(to refusal: HTTPRefusal, head: HTTPRequestHead?) -> HTTPResponse
}

extension HTTPHandler {
  public func bodyBytesMax(for head: HTTPRequestHead) -> Int { 0 }

  public func response(to refusal: HTTPRefusal, head: HTTPRequestHead?) -> HTTPResponse {
    HTTPResponse(status: refusal.status, contentType: "text/plain; charset=utf-8", text: "\(refusal.status)\n")
  }
}
