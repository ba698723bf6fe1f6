import CMongoc
import Kernel

/// One connection's client, used by one thread at a time; goes back to the pool when it is let go of.
///
/// Not Sendable: it is created, used and released on its worker's thread.
final class DriverClient {
  let handle: OpaquePointer
  private let io: UnsafeMutablePointer<mobo_io>
  let pool: DriverPool

  init(_ handle: OpaquePointer, _ io: UnsafeMutablePointer<mobo_io>, _ pool: DriverPool) {
    self.handle = handle
    self.io = io
    self.pool = pool
  }

  deinit {
    mongoc_client_pool_push(pool.handle, handle)
  }

  /// Runs a command as it is. Throws `CommandError` for what the driver reports; errors inside an accepted reply are
  /// the caller's business. A connection that has not answered `within` this time is given up.
  func command(
    _ body: BSONDocument, database: String, session: DriverSession?, within limit: Duration
  ) throws -> BSONDocument {
    guard body.isUsable else {
      throw MongoFailure.malformedDocument("a key holds NUL, or the document is too large")
    }
    let outcome = limited(limit) {
      body.bytes.withUnsafeBufferPointer { bytes in
        mobo_mongoc_command(handle, database, bytes.baseAddress, bytes.count, session?.handle)
      }
    }
    let reply = outcome.takeReply()
    guard outcome.ok else { throw outcome.error(labels: reply.errorLabels) }
    return reply
  }

  /// Bounds what `body` reads from and writes to the connection, whatever the URI's socket timeout is.
  fileprivate func limited<Value>(_ limit: Duration, _ body: () -> Value) -> Value {
    let (until, overflowed) = mobo_monotonic_ns().addingReportingOverflow(max(1, limit.wholeNanoseconds))
    io.pointee.until = overflowed ? .max : until
    defer { io.pointee.until = 0 }
    return body()
  }

  /// Opens the connection, or finds out that it is broken and opens it again. A failure shows again with the next
  /// command.
  func keepAlive() {
    for _ in 1...2 where (try? command(["ping": 1], database: "admin", session: nil, within: Limits.pingMax)) != nil {
      return
    }
  }

  /// Blocks until a primary is known, at most for the server selection timeout.
  func awaitPrimary() throws {
    var outcome = mobo_mongoc_outcome()
    guard mobo_mongoc_await_primary(handle, &outcome) else { throw outcome.error(labels: []) }
  }

  func startSession() throws -> DriverSession {
    var outcome = mobo_mongoc_outcome()
    guard let session = mobo_mongoc_start_session(handle, &outcome) else { throw outcome.error(labels: []) }
    return DriverSession(session, self)
  }
}

/// A logical session. Destroying it aborts its open transaction.
final class DriverSession {
  let handle: OpaquePointer
  /// Keeps the client checked out for as long as the session lives.
  private let client: DriverClient

  init(_ handle: OpaquePointer, _ client: DriverClient) {
    self.handle = handle
    self.client = client
  }

  deinit {
    mongoc_client_session_destroy(handle)
  }

  /// `{id: <UUID>}`, as `killSessions` takes it.
  var id: BSONDocument {
    var length: UInt32 = 0
    guard let bytes = mobo_mongoc_session_id(handle, &length) else { return BSONDocument() }
    return BSONDocument(unchecked: Array(UnsafeBufferPointer(start: bytes, count: Int(length))))
  }

  var inTransaction: Bool { mongoc_client_session_in_transaction(handle) }

  func startTransaction(commitWithin limit: Duration?) throws {
    var outcome = mobo_mongoc_outcome()
    let milliseconds = limit.map { max(1, $0.wholeMilliseconds) } ?? 0
    guard mobo_mongoc_start_transaction(handle, milliseconds, &outcome) else { throw outcome.error(labels: []) }
  }

  func commit(within limit: Duration) throws {
    let outcome = client.limited(limit) { mobo_mongoc_commit(handle) }
    let reply = outcome.takeReply()
    guard outcome.ok else { throw outcome.error(labels: reply.errorLabels) }
    client.pool.acknowledged(by: reply)
  }

  /// Never fails: a transaction that cannot be aborted ends by itself.
  func abort() {
    _ = client.limited(Limits.abortMax) { mongoc_client_session_abort_transaction(handle, nil) }
  }
}

extension mobo_mongoc_outcome {
  /// Copies the reply and frees libmongoc's.
  func takeReply() -> BSONDocument {
    guard let data else { return BSONDocument() }
    defer { bson_free(data) }
    return BSONDocument(unchecked: Array(UnsafeBufferPointer(start: data, count: Int(length))))
  }

  func error(labels: Set<String>) -> CommandError {
    var text = message
    let described = withUnsafeBytes(of: &text) { buffer in
      String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self)
    }
    return CommandError(domain: domain, code: code, message: described, labels: labels)
  }
}

extension Duration {
  /// Saturating, towards zero.
  var wholeMilliseconds: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflowed) = seconds.multipliedReportingOverflow(by: 1_000)
    return overflowed ? (seconds > 0 ? .max : .min) : whole + attoseconds / 1_000_000_000_000_000
  }

  var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflowed) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflowed ? (seconds > 0 ? .max : .min) : whole + attoseconds / 1_000_000_000
  }
}
