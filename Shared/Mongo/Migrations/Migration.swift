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
    return index
  }

  var qualifiedName: String { "\(collection).\(name)" }
}

/// One change of the schema that knows its way back.
public enum MigrationStep: Sendable {
  /// Collections are created before use, so that transactions never have to. Going back keeps them: no document is
  /// ever deleted.
  case createCollection(String)
  /// Idempotent. Duplicates are searched before a unique one is built. Going back drops those that this step created.
  case createIndexes([IndexSpec])
  /// Going back builds them again.
  case dropIndexes([IndexSpec])
  /// An index of the same name with other options: dropped and built anew. Going back restores `old`.
  case rebuildIndex(old: IndexSpec, new: IndexSpec)
  /// A JSON schema (or any filter) that every written document must match; nil removes it. Going back restores
  /// `previous`.
  case setValidator(collection: String, BSONDocument?, previous: BSONDocument?)
}

/// A version of a service's schema (DOMAIN 12.4).
public struct Migration: Sendable {
  /// `001_users_indexes`: unique, and ordered like the list it stands in.
  public let id: String
  public let description: String
  public let up: [MigrationStep]

  public init(id: String, description: String, up: [MigrationStep]) {
    self.id = id
    self.description = description
    self.up = up
  }

  /// Tells an edited migration from the applied one: FNV-1a, 64 bits, over everything that `up` does. It protects
  /// against accidents, not against people.
  public var checksum: String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for step in up {
      for byte in step.fingerprint.bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    }
    let text = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - text.count) + text
  }
}

extension MigrationStep {
  var fingerprint: BSONDocument {
    switch self {
    case .createCollection(let name): ["createCollection": .string(name)]
    case .createIndexes(let specs): ["createIndexes": .documents(specs.map(\.fingerprint))]
    case .dropIndexes(let specs): ["dropIndexes": .documents(specs.map(\.fingerprint))]
    case .rebuildIndex(let old, let new):
      ["rebuildIndex": .documents([old.fingerprint, new.fingerprint])]
    case .setValidator(let collection, let validator, _):
      ["setValidator": .string(collection), "validator": .optional(validator)]
    }
  }

  /// The unique indexes that going up builds.
  var uniqueIndexes: [IndexSpec] {
    switch self {
    case .createIndexes(let specs): specs.filter(\.unique)
    case .rebuildIndex(_, let new): new.unique ? [new] : []
    case .createCollection, .dropIndexes, .setValidator: []
    }
  }

  /// One line per command, for a dry run.
  func lines(_ direction: MigrationDirection) -> [String] {
    switch (self, direction) {
    case (.createCollection(let name), .up): ["create collection \(name)"]
    case (.createCollection(let name), .down): ["keep collection \(name)"]
    case (.createIndexes(let specs), .up), (.dropIndexes(let specs), .down):
      specs.map { "create index \($0.qualifiedName) on \($0.keys)\($0.unique ? ", unique" : "")" }
    case (.createIndexes(let specs), .down), (.dropIndexes(let specs), .up):
      specs.map { "drop index \($0.qualifiedName)" }
    case (.rebuildIndex(let old, let new), _):
      ["rebuild index \((direction == .up ? new : old).qualifiedName)"]
    case (.setValidator(let collection, _, _), .up): ["set the validator of \(collection)"]
    case (.setValidator(let collection, _, _), .down): ["restore the validator of \(collection)"]
    }
  }
}

extension IndexSpec {
  fileprivate var fingerprint: BSONDocument { document.appending("collection", .string(collection)) }
}

public enum MigrationDirection: String, Sendable {
  case up, down
}
