import NIOHTTP1

/// What was wrong with a request's head.
struct HeadProblem: Error {
  let reason: String
}

/// The request target and the rules about a head that the parser leaves to the server (RFC 9112, 3 and 6.1).
enum RequestTarget {
  static func parse(_ raw: NIOHTTP1.HTTPRequestHead, peer: String) -> Result<HTTPRequestHead, HeadProblem> {
    guard raw.version == .http1_1 || raw.version == .http1_0 else {
      return .failure(HeadProblem(reason: "the request is not HTTP/1.1"))
    }
    var fields = HTTPFields()
    for (name, value) in raw.headers { fields.append(name, value) }
    if raw.version == .http1_1, fields.all("host").count != 1 {
      return .failure(HeadProblem(reason: "the request needs exactly one Host header"))
    }
    // Two framings of one body are how requests are smuggled past intermediaries.
    if fields["transfer-encoding"] != nil, fields["content-length"] != nil {
      return .failure(HeadProblem(reason: "the request gives both Transfer-Encoding and Content-Length"))
    }
    guard let (path, query) = split(raw.uri, isOptions: raw.method == .OPTIONS) else {
      return .failure(HeadProblem(reason: "the request target is no path"))
    }
    return .success(
      HTTPRequestHead(method: raw.method.rawValue, path: path, query: query, headers: fields, peer: peer))
  }

  static func split(_ target: String, isOptions: Bool) -> (path: String, query: String?)? {
    if target == "*" { return isOptions ? ("*", nil) : nil }
    var rest = Substring(target)
    for scheme in ["http://", "https://"] where rest.lowercased().hasPrefix(scheme) {
      rest = rest.dropFirst(scheme.count)
      rest = rest.firstIndex(of: "/").map { rest[$0...] } ?? "/"
    }
    guard rest.first == "/", !rest.contains("#") else { return nil }
    guard let mark = rest.firstIndex(of: "?") else { return (String(rest), nil) }
    return (String(rest[..<mark]), String(rest[rest.index(after: mark)...]))
  }
}
