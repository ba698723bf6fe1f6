import CMongoc
import Kernel

/// What the driver and the server say about one command that went wrong.
struct CommandError: Error {
  /// libmongoc's error domain (`mongoc_error_domain_t`).
  var domain: UInt32 = 0
  var code: Int32 = 0
  var message: String = ""
  var labels: Set<String> = []
}

extension CommandError {
  static let transientTransaction = "TransientTransactionError"
  static let unknownCommit = "UnknownTransactionCommitResult"
  static let retryableWrite = "RetryableWriteError"

  /// Error codes of the server's `error_codes.yml` by what they mean to a caller.
  private static let notPrimaryCodes: Set<Int32> = [91, 189, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436]
  private static let networkCodes: Set<Int32> = [6, 7, 43, 64, 89, 134, 237, 262, 358, 9_001]
  private static let duplicateCodes: Set<Int32> = [11_000, 11_001, 12_582]
  private static let writeConflictCode: Int32 = 112
  private static let validationCode: Int32 = 121
  private static let maxTimeExpiredCode: Int32 = 50
  private static let queryPlanKilledCode: Int32 = 175
  private static let interruptedCode: Int32 = 11_601

  /// True for errors of sockets, of finding a server, and of the pool: the server has not judged the command.
  var isNetwork: Bool {
    domain == MONGOC_ERROR_STREAM.rawValue || domain == MONGOC_ERROR_SERVER_SELECTION.rawValue
  }

  /// `collection` names what the command was about.
  func failure(collection: String) -> MongoFailure {
    if Self.duplicateCodes.contains(code) {
      return .duplicateKey(index: Self.indexName(in: message) ?? "", collection: collection)
    }
    if isNetwork { return .network(message) }
    switch code {
    case Self.writeConflictCode: return .writeConflict
    case Self.validationCode: return .validation(collection: collection)
    case Self.maxTimeExpiredCode: return .maxTimeExpired
    default: break
    }
    // An index was dropped under a running query, which takes another one when it is sent again.
    if code == Self.queryPlanKilledCode { return .transientTransaction("code \(code): \(message)") }
    // Somebody has ended the session, and with it the transaction: whoever takes over from a writer does.
    if code == Self.interruptedCode { return .transientTransaction("code \(code): \(message)") }
    if Self.notPrimaryCodes.contains(code) { return .notPrimary(message) }
    if Self.networkCodes.contains(code) { return .network(message) }
    if labels.contains(Self.transientTransaction) { return .transientTransaction("code \(code): \(message)") }
    if labels.contains(Self.retryableWrite) { return .network(message) }
    return .other(code: code, message: message)
  }

  /// From `E11000 duplicate key error collection: db.users index: mobile_1 dup key: { ... }`: the server names the
  /// index nowhere else.
  static func indexName(in message: String) -> String? {
    let words = message.split(separator: " ")
    guard let index = words.firstIndex(of: "index:"), index + 1 < words.count else { return nil }
    return String(words[index + 1])
  }
}

extension CommandError {
  /// The first error inside a reply that says `ok: 1`, or that the driver refused.
  init?(reply: BSONDocument, skippingDuplicates: Bool) throws(MongoFailure) {
    for writeError in try reply.optionalDocuments("writeErrors") {
      let code = try writeError.code("code")
      if skippingDuplicates, Self.duplicateCodes.contains(code) { continue }
      self.init(code, try writeError.optionalString("errmsg") ?? "", reply: reply)
      return
    }
    if let concern = try reply.optionalDocument("writeConcernError") {
      self.init(try concern.code("code"), try concern.optionalString("errmsg") ?? "", reply: reply)
    } else {
      return nil
    }
  }

  private init(_ code: Int32, _ message: String, reply: BSONDocument) {
    self.code = code
    self.message = message
    domain = MONGOC_ERROR_SERVER.rawValue
    labels = reply.errorLabels
  }
}

extension BSONDocument {
  var errorLabels: Set<String> {
    guard let labels = try? strings("errorLabels") else { return [] }
    return Set(labels)
  }

  func optionalDocuments(_ key: String) throws(MongoFailure) -> [BSONDocument] {
    has(key) ? try documents(key) : []
  }

  /// Servers send counts and codes as int32, int64 or double.
  func code(_ key: String) throws(MongoFailure) -> Int32 {
    Int32(exactly: try double(key)) ?? 0
  }

  func tally(_ key: String) throws(MongoFailure) -> Int {
    has(key) ? Int(exactly: try double(key)) ?? 0 : 0
  }
}
