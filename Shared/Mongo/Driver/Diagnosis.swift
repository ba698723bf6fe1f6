import CMongoc

/// Why no primary was found. A single server is dropped from a topology that asks for a replica set, so that "cannot
/// be reached" would be said of a server that answers.
enum Diagnosis {
  private static let timeoutMilliseconds = 1_000

  /// True if a seed of the URI answers directly and belongs to no set. Blocks for at most about a second per seed.
  static func findsStandalone(_ text: String) -> Bool {
    var outcome = mobo_mongoc_outcome()
    guard let uri = mobo_mongoc_uri(text, &outcome) else { return false }
    defer { mongoc_uri_destroy(uri) }
    var host = mongoc_uri_get_hosts(uri)
    while let current = host {
      var seed = current.pointee.host_and_port
      let name = withUnsafeBytes(of: &seed) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      if isStandalone(name) { return true }
      host = UnsafePointer(current.pointee.next)
    }
    return false
  }

  private static func isStandalone(_ seed: String) -> Bool {
    let limit = timeoutMilliseconds
    let uri =
      "mongodb://\(seed)/?directConnection=true&serverSelectionTimeoutMS=\(limit)&connectTimeoutMS=\(limit)"
      + "&socketTimeoutMS=\(limit)"
    guard let client = mongoc_client_new(uri) else { return false }
    defer { mongoc_client_destroy(client) }
    let body: BSONDocument = ["hello": 1]
    let outcome = body.bytes.withUnsafeBufferPointer { bytes in
      mobo_mongoc_command(client, "admin", bytes.baseAddress, bytes.count, nil)
    }
    guard let data = outcome.data else { return false }
    defer { bson_free(data) }
    let hello = BSONDocument(unchecked: Array(UnsafeBufferPointer(start: data, count: Int(outcome.length))))
    return outcome.ok && !hello.has("setName") && !hello.has("msg")
  }
}
