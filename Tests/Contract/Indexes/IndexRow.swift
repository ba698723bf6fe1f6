import Kernel
import TestKit
import Testing

@testable import Mongo

/// One index as DOMAIN 3 names it, with a query that it is for.
struct IndexRow: Sendable {
  let spec: IndexSpec
  /// What it serves, in DOMAIN's words.
  let serves: String
  /// Nil for an index that only cleans up.
  let query: IndexQuery?
  /// An index that the planner may take instead, because one key of it finds at most one document; then this one is
  /// tried by a hint.
  let besides: String?
}

/// Short ways to write a table of indexes.
struct IndexTable: Sendable {
  let collection: String
  /// The generated document of a number.
  let document: @Sendable (Int) -> BSONDocument
  private(set) var rows: [IndexRow] = []

  init(_ collection: String, _ document: @escaping @Sendable (Int) -> BSONDocument) {
    self.collection = collection
    self.document = document
  }

  /// An index and a query, which must be answered by it in the order of `sort`.
  func index(
    _ keys: BSONDocument, unique: Bool = false, where partial: BSONDocument? = nil, name: String? = nil,
    serves: String, _ filter: BSONDocument, sort: BSONDocument? = nil, besides: String? = nil
  ) -> IndexTable {
    var copy = self
    copy.rows.append(
      IndexRow(
        spec: IndexSpec(collection, keys, name: name, unique: unique, partialFilter: partial), serves: serves,
        query: IndexQuery(filter, sort: sort), besides: besides))
    return copy
  }

  /// An index that removes documents some time after a date.
  func expiry(
    _ field: String, after seconds: Int64, where partial: BSONDocument? = nil, name: String? = nil
  ) -> IndexTable {
    var copy = self
    copy.rows.append(
      IndexRow(
        spec: IndexSpec(
          collection, BSONDocument([(field, 1)]), name: name, partialFilter: partial, expireAfter: .seconds(seconds)),
        serves: "clean-up", query: nil, besides: nil))
    return copy
  }
}

extension [IndexTable] {
  /// Enough for the planner to tell indexes apart.
  private static var documents: Int { 600 }

  /// Fails for every index that is missing, otherwise, not in the table, or not used by its query.
  func check(_ database: MongoDatabase, _ migrations: [Migration]) async throws {
    let declared = DeclaredSchema(migrations).indexes.values.map(\.collection)
    #expect(Set(declared) == Set(map(\.collection)), "the collections that have indexes")
    for table in self {
      try await database.run { connection in
        try connection.command([
          "insert": .string(table.collection), "documents": .documents((0..<Self.documents).map(table.document)),
          "bypassDocumentValidation": true,
        ])
        let listed = try connection.indexes(table.collection)
        let names = try listed.map { try $0.string("name") }
        #expect(Set(names) == Set(table.rows.map(\.spec.name)).union(["_id_"]), "the indexes of \(table.collection)")
        for row in table.rows {
          let found = try #require(try listed.first { try $0.string("name") == row.spec.name }, "\(row.spec.name)")
          #expect(row.spec.differences(from: found) == [], "\(row.spec.qualifiedName) is \(found)")
          try row.checkUse(connection)
        }
      }
    }
  }
}

extension IndexRow {
  fileprivate func checkUse(_ connection: MongoConnection) throws {
    guard let query else { return }
    var plan = try connection.winningPlan(spec.collection, query)
    if let besides, try plan.names(of: "indexName") == [besides] {
      var find: BSONDocument = ["find": .string(spec.collection), "filter": .document(query.filter)]
      if let sort = query.sort { find.append("sort", .document(sort)) }
      find.append("hint", .string(spec.name))
      plan = try connection.command(["explain": .document(find), "verbosity": "queryPlanner"])
        .document("queryPlanner").document("winningPlan")
    }
    let (indexes, stages) = (try plan.names(of: "indexName"), try plan.names(of: "stage"))
    #expect(indexes == [spec.name], "\(spec.qualifiedName) for \(serves): \(query.text)")
    #expect(stages.isDisjoint(with: ["COLLSCAN", "SORT"]), "\(spec.qualifiedName) for \(serves): \(stages.sorted())")
  }
}

/// Values of generated documents.
enum Sample {
  static func id(_ number: Int) -> BSONValue {
    let digits = String(number, radix: 16)
    return .objectID(ObjectID(String(repeating: "0", count: 24 - digits.count) + digits)!)
  }

  /// In this century's last years, so that no time to live is over.
  static func time(_ number: Int) -> BSONValue {
    .datetime(Timestamp(milliseconds: 4_000_000_000_000 + Int64(number) * 1_000))
  }

  static func one<Value>(of values: [Value], _ number: Int) -> Value { values[number % values.count] }

  /// An equality that a partial index on `$type` serves.
  static func text(_ text: String) -> BSONValue { ["$eq": .string(text), "$type": "string"] }

  static func link(_ number: Int) -> BSONValue { ["$eq": id(number), "$type": "objectId"] }
}

extension IndexTable {
  /// What every service keeps (DOMAIN 3.6).
  static let technical: [IndexTable] = [
    IndexTable("outbox") { number in
      [
        "aggregate": .string("order/\(number % 50)"), "seq": .int64(Int64(number)), "messages": [],
        "dispatched": .bool(number % 4 != 0), "dispatchedAt": number % 4 != 0 ? Sample.time(number) : .null,
        "nextAttemptAt": Sample.time(number),
      ]
    }
    .index(
      ["dispatched": 1, "nextAttemptAt": 1], where: ["dispatched": false], serves: "the relay's next messages",
      ["dispatched": false], sort: ["nextAttemptAt": 1]
    )
    .index(
      ["aggregate": 1, "seq": 1], where: ["dispatched": false], serves: "an aggregate's earlier messages",
      ["aggregate": "order/8", "dispatched": false], sort: ["seq": 1]
    )
    .expiry("dispatchedAt", after: 604_800),
    IndexTable("request_log") { number in
      ["scope": .string("scope \(number % 40)"), "key": .string("key \(number)"), "expiresAt": Sample.time(number)]
    }
    .index(
      ["scope": 1, "key": 1], unique: true, serves: "repeated requests", ["scope": "scope 7", "key": "key 7"]
    )
    .expiry("expiresAt", after: 0),
  ]
}
