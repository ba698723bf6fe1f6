import Kernel

/// An index as a migration declares it.
public struct IndexSpec: Hashable, Sendable {
  public let collection: String
  public let name: String
  /// Field to direction (1, -1), in order.
  public let keys: BSONDocument
  public let unique: Bool
  public let partialFilter: BSONDocument?
  /// Time to live after the indexed date; whole seconds.
  public let expireAfter: Duration?
  /// Options that no migration declares (`sparse`, `collation`), of an index that was found and is to be restored.
  private(set) var further: BSONDocument = [:]

  /// Without a name the server's convention is used: `status_1_createdAt_-1`.
  ///
  /// Partial filters accept equality, `$exists: true`, `$gt/$gte/$lt/$lte`, `$type` and `$and` (DOMAIN 0.6).
  public init(
    _ collection: String, _ keys: BSONDocument, name: String? = nil, unique: Bool = false,
    partialFilter: BSONDocument? = nil, expireAfter: Duration? = nil
  ) {
    self.collection = collection
    self.keys = keys
    self.name = name ?? Self.conventionalName(keys)
    self.unique = unique
    self.partialFilter = partialFilter
    self.expireAfter = expireAfter
  }

  /// `_id_` always exists and is not declared.
  static func conventionalName(_ keys: BSONDocument) -> String {
    let fields = (try? keys.fields()) ?? []
    return fields.map { field in
      switch field.value {
      case .int64(let direction): "\(field.key)_\(direction)"
      case .int32(let direction): "\(field.key)_\(direction)"
      case .string(let kind): "\(field.key)_\(kind)"
      default: field.key
      }
    }.joined(separator: "_")
  }

  /// As `createIndexes` takes it.
  var document: BSONDocument {
    var index: BSONDocument = ["key": .document(keys), "name": .string(name)]
    if unique { index.append("unique", true) }
    if let partialFilter { index.append("partialFilterExpression", .document(partialFilter)) }
    if let expireAfter { index.append("expireAfterSeconds", .int64(expireAfter.components.seconds)) }
    index.append(contentsOf: further)
    return index
  }

  /// An index as the server lists it.
  init(listed: BSONDocument, of collection: String) throws {
    let seconds = try listed.value("expireAfterSeconds")?.canonical
    let expireAfter: Duration? = if case .int64(let number)? = seconds { .seconds(number) } else { nil }
    self.init(
      collection, try listed.document("key").canonical, name: try listed.string("name"),
      unique: try listed.optionalBool("unique") ?? false,
      partialFilter: try listed.optionalDocument("partialFilterExpression"), expireAfter: expireAfter)
    let declared: Set = ["key", "name", "unique", "partialFilterExpression", "expireAfterSeconds"]
    further = BSONDocument(
      try listed.fields().filter { !declared.union(Self.addedByServer).contains($0.key) }.map { ($0.key, $0.value) })
  }

  private static let addedByServer: Set = ["v", "ns", "background"]

  var qualifiedName: String { "\(collection).\(name)" }

  var fingerprint: BSONDocument { document.appending("collection", .string(collection)) }

  /// What tells two indexes apart for the server: two that share it cannot stand side by side under different names.
  var signature: [BSONValue] {
    [.document(keys.canonical), .bool(unique), .optional(partialFilter?.canonical), .document(further.canonical)]
  }

  /// The options, by name, in which an index of the server's list is not as declared; empty if it is the same index.
  func differences(from listed: BSONDocument) -> [String] {
    let (wanted, found) = (Self.options(document), Self.options(listed))
    return Set(wanted.keys).union(found.keys).filter { wanted[$0] != found[$0] }.sorted()
  }

  /// By name, numbers alike whatever their type; without what the server adds by itself.
  private static func options(_ index: BSONDocument) -> [String: BSONValue] {
    let fields = (try? index.fields()) ?? []
    let own = fields.filter { !addedByServer.contains($0.key) }
    return Dictionary(own.map { ($0.key, $0.value.canonical) }, uniquingKeysWith: { first, _ in first })
  }
}

extension BSONDocument {
  /// With every whole number as int64, at every depth: the server answers with other types than it was sent.
  var canonical: BSONDocument {
    BSONDocument(((try? fields()) ?? []).map { ($0.key, $0.value.canonical) })
  }
}

extension BSONValue {
  var canonical: BSONValue {
    switch self {
    case .int32(let number): .int64(Int64(number))
    case .double(let number): Int64(exactly: number).map { .int64($0) } ?? self
    case .document(let document): .document(document.canonical)
    case .array(let values): .array(values.map(\.canonical))
    default: self
    }
  }
}
