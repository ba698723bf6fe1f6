import Kernel
import Mongo

/// A request that was answered, whatever it asked: whoever repeats it compares the fingerprints.
public struct AnsweredRequest: Hashable, Sendable {
  public let scope: RequestScope
  public let fingerprint: [UInt8]
  public let answer: RememberedAnswer
}

extension RequestLog {
  /// What is remembered of several requests, in one query. Requests whose saga has not ended are left out.
  public func answered(
    among scopes: some Collection<RequestScope>, now: Timestamp, in connection: MongoConnection
  ) throws -> [AnsweredRequest] {
    guard !scopes.isEmpty else { return [] }
    let byName = Dictionary(grouping: scopes, by: \.name)
    let filters: [BSONDocument] = byName.map { name, scopes in
      ["scope": .string(name), "key": ["$in": .strings(scopes.map(\.requestID))]]
    }
    return try connection.find(Self.collection, ["$or": .documents(filters)]).compactMap { document in
      let row = try RequestRow(document)
      let (name, key) = (try document.string("scope"), try document.string("key"))
      guard row.expiresAt > now, let answer = row.answer,
        let scope = byName[name]?.first(where: { $0.requestID == key })
      else { return nil }
      return AnsweredRequest(scope: scope, fingerprint: row.fingerprint, answer: answer)
    }
  }
}
