import Kernel

/// One change of the schema that knows its way back.
public enum MigrationStep: Sendable {
  /// Collections are created before use, so that transactions never have to. Going back keeps them: no document is
  /// ever deleted.
  case createCollection(String)
  /// Idempotent. Duplicates are searched before a unique one is built. Going back drops those that this step created.
  case createIndexes([IndexSpec])
  /// Going back builds them again.
  case dropIndexes([IndexSpec])
  /// Replaces an index while its queries go on being served: the new one is built, seen to be used, and only then the
  /// old one dropped. Under the same name a bridge serves in between. `serves` are queries that must use the new index;
  /// without any a walk along its keys is tried. Going back does the same the other way round.
  case rebuildIndex(old: IndexSpec, new: IndexSpec, serves: [IndexQuery] = [])
  /// A JSON schema (or any filter) that every written document must match; nil removes it. Documents that do not match
  /// are searched before. Going back restores `previous`.
  case setValidator(collection: String, BSONDocument?, previous: BSONDocument?)
  /// Brings the documents that exist already into a new form, batch by batch.
  case backfill(Backfill)
}

/// A query by which a rebuilt index is tried.
public struct IndexQuery: Hashable, Sendable {
  public let filter: BSONDocument
  public let sort: BSONDocument?

  public init(_ filter: BSONDocument, sort: BSONDocument? = nil) {
    self.filter = filter
    self.sort = sort
  }
}

/// A change of documents too many for one command.
///
/// Batches go by `_id`; each is one transaction with the checkpoint from which the next one, or the next runner, goes
/// on: no document is changed twice, and none is left out.
public struct Backfill: Sendable {
  public let collection: String
  /// The documents that are still in the old form.
  public let filter: BSONDocument
  /// An aggregation pipeline. A document that went through it does not match `filter` any more.
  public let change: [BSONDocument]
  /// The way back, as a pipeline for every document; nil leaves the documents as they are.
  public let undo: [BSONDocument]?
  /// Documents per transaction.
  public let batchSize: Int
  /// The pace that leaves the database to its callers; the command line may set another one.
  public let documentsPerSecond: Int

  public init(
    _ collection: String, where filter: BSONDocument, change: [BSONDocument], undo: [BSONDocument]? = nil,
    batchSize: Int = 500, documentsPerSecond: Int = 5_000
  ) {
    precondition(batchSize > 0 && documentsPerSecond > 0)
    self.collection = collection
    self.filter = filter
    self.change = change
    self.undo = undo
    self.batchSize = batchSize
    self.documentsPerSecond = documentsPerSecond
  }
}

extension MigrationStep {
  /// What the checksum covers: everything that going up does, but not how it is tried out or how fast it goes.
  var fingerprint: BSONDocument {
    switch self {
    case .createCollection(let name): ["createCollection": .string(name)]
    case .createIndexes(let specs): ["createIndexes": .documents(specs.map(\.fingerprint))]
    case .dropIndexes(let specs): ["dropIndexes": .documents(specs.map(\.fingerprint))]
    case .rebuildIndex(let old, let new, _):
      ["rebuildIndex": .documents([old.fingerprint, new.fingerprint])]
    case .setValidator(let collection, let validator, _):
      ["setValidator": .string(collection), "validator": .optional(validator)]
    case .backfill(let backfill):
      [
        "backfill": .string(backfill.collection), "filter": .document(backfill.filter),
        "change": .documents(backfill.change),
      ]
    }
  }

  /// The indexes that going up builds.
  var builtIndexes: [IndexSpec] {
    switch self {
    case .createIndexes(let specs): specs
    case .rebuildIndex(_, let new, _): [new]
    case .createCollection, .dropIndexes, .setValidator, .backfill: []
    }
  }

  /// The collections whose indexes the step touches.
  var collections: Set<String> {
    switch self {
    case .createCollection(let name), .setValidator(let name, _, _): [name]
    case .createIndexes(let specs), .dropIndexes(let specs): Set(specs.map(\.collection))
    case .rebuildIndex(let old, let new, _): [old.collection, new.collection]
    case .backfill(let backfill): [backfill.collection]
    }
  }
}
