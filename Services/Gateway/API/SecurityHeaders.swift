import HTTP

/// What every answer tells browsers: it is data, it is private, it is nobody's frame.
enum SecurityHeaders {
  static let all: [(name: String, value: String)] = [
    ("cache-control", "no-store"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
  ]

  /// Adds them without replacing what an answer says for itself.
  static func add(to headers: inout HTTPFields) {
    for (name, value) in all where headers[name] == nil { headers.append(name, value) }
  }
}
