import HTTP
import Kernel

/// The one content type that routes take.
enum JSONContentType {
  /// Fails with `UNSUPPORTED_MEDIA_TYPE` unless the body is plain `application/json` in UTF-8, or there is none.
  static func check(_ request: HTTPRequest) throws(Failure) {
    let headers = request.head.headers
    if let encoding = headers["content-encoding"], encoding.lowercased() != "identity" {
      throw Failure(.unsupportedMediaType, "the body must not be encoded")
    }
    guard let type = headers["content-type"] else {
      if request.body.isEmpty { return }
      throw Failure(.unsupportedMediaType, "Content-Type must be application/json")
    }
    let parts = type.lowercased().split(separator: ";").map { String($0).trimmed }
    let isUTF8 = parts.dropFirst().allSatisfy { parameter in
      !parameter.hasPrefix("charset=") || ["charset=utf-8", "charset=\"utf-8\""].contains(parameter)
    }
    guard parts.first == "application/json", isUTF8 else {
      throw Failure(.unsupportedMediaType, "Content-Type must be application/json")
    }
  }
}
