import Kernel

/// What a step needs to know while it is applied or undone.
struct StepScope {
  let connection: MongoConnection
  /// Throws once the runner has lost its lease: asked between any two commands.
  let check: () throws -> Void
  /// The indexes of the touched collections as they were before the migration went up, by qualified name.
  let before: [String: IndexSpec]
}

extension MigrationStep {
  func applyUp(_ scope: StepScope) throws {
    let connection = scope.connection
    switch self {
    case .createCollection(let name): try connection.createCollection(name)
    case .createIndexes(let specs):
      for spec in specs {
        try scope.check()
        try connection.createIndex(spec)
      }
    case .dropIndexes(let specs):
      for spec in specs {
        try scope.check()
        try connection.dropIndex(spec)
      }
    case .rebuildIndex(let old, let new, let queries):
      try IndexRebuild(from: old, to: new, queries: queries, scope).run()
    case .setValidator(let collection, let validator, _): try connection.setValidator(collection, validator)
    case .backfill: preconditionFailure("a backfill is run by BackfillRun")
    }
  }

  /// Indexes that were there before the migration went up stay, or become again what they were.
  func applyDown(_ scope: StepScope) throws {
    let connection = scope.connection
    switch self {
    case .createCollection: break
    case .createIndexes(let specs):
      for spec in specs.reversed() where scope.before[spec.qualifiedName] == nil {
        try scope.check()
        try connection.dropIndex(spec)
      }
    case .dropIndexes(let specs):
      for spec in specs {
        try scope.check()
        if let former = scope.before[spec.qualifiedName] { try connection.createIndex(former) }
      }
    case .rebuildIndex(let old, let new, _):
      guard let former = scope.before[old.qualifiedName] else { return try connection.dropIndex(new) }
      try IndexRebuild(from: new, to: former, queries: [], scope).run()
    case .setValidator(let collection, _, let previous): try connection.setValidator(collection, previous)
    case .backfill: preconditionFailure("a backfill is run by BackfillRun")
    }
  }
}

/// Replaces one index by another while the queries of both go on being served. May be repeated from any point.
///
/// The server builds an index beside everything else, but it neither keeps two indexes of one name nor renames one. So
/// a new one of the same name, or one that only differs in what the server does not tell apart, takes a detour over a
/// bridge: an index on the same fields and `_id`, which serves the same queries.
struct IndexRebuild {
  private let old: IndexSpec
  private let new: IndexSpec
  private let queries: [IndexQuery]
  private let scope: StepScope
  private let connection: MongoConnection

  init(from old: IndexSpec, to new: IndexSpec, queries: [IndexQuery], _ scope: StepScope) {
    self.old = old
    self.new = new
    self.queries = queries
    self.scope = scope
    connection = scope.connection
  }

  func run() throws {
    if let bridge = Self.bridge(from: old, to: new) {
      try over(bridge)
    } else {
      try replace(old, by: new, queries)
    }
  }

  /// Nil where old and new can stand side by side.
  static func bridge(from old: IndexSpec, to new: IndexSpec) -> IndexSpec? {
    guard old.name == new.name || old.signature == new.signature else { return nil }
    return IndexSpec(
      new.collection, old.keys.appending("_id", 1), name: "\(new.name)__bridge", partialFilter: old.partialFilter)
  }

  /// Build, see it used, drop.
  private func replace(_ old: IndexSpec, by new: IndexSpec, _ queries: [IndexQuery]) throws {
    try scope.check()
    try connection.createIndex(new)
    try scope.check()
    try connection.hideIndex(old, true)
    do {
      try verify(new, queries)
    } catch {
      try connection.hideIndex(old, false)
      throw error
    }
    try scope.check()
    try connection.dropIndex(old)
  }

  private func over(_ bridge: IndexSpec) throws {
    let placed = try connection.indexes(new.collection).first { try $0.string("name") == new.name }
    if placed.map({ !new.differences(from: $0).isEmpty }) ?? true {
      try replace(old, by: bridge, [])
      try scope.check()
      do {
        try connection.createIndex(new)
      } catch let failure as MongoFailure {
        // Values that the new one refuses: back to what was there.
        if case .duplicateKey = failure { try replace(bridge, by: old, []) }
        throw failure
      }
    }
    try replace(bridge, by: new, queries)
  }

  private func verify(_ index: IndexSpec, _ queries: [IndexQuery]) throws {
    let walk = IndexQuery(index.partialFilter ?? [:], sort: index.keys)
    for query in queries.isEmpty ? [walk] : queries {
      let used = try connection.indexesUsed(index.collection, query)
      guard used.contains(index.name) else {
        throw MigrationFailure.indexNotUsed(index.qualifiedName, by: query.text)
      }
    }
  }
}

extension IndexQuery {
  var text: String { "find(\(filter.json))" + (sort.map { ".sort(\($0.json))" } ?? "") }
}
