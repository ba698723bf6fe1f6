public import Kernel

/// A value of an entry's metadata. Whole numbers of 64 bits travel and stay as strings (PLATFORM 11.2).
public indirect enum AuditValue: Hashable, Sendable {
  case null
  case bool(Bool)
  case number(Double)
  case string(String)
  case list([AuditValue])
  case object([String: AuditValue])
}

/// Facts about an entry. Never secrets, tokens, images or full account numbers: that is the sender's duty.
public struct AuditMetadata: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  public let fields: [String: AuditValue]

  public init(_ fields: [String: AuditValue]) {
    self.fields = fields
  }

  public init(dictionaryLiteral elements: (String, AuditValue)...) {
    fields = Dictionary(elements, uniquingKeysWith: { _, last in last })
  }

  /// Bytes of the metadata as stored (bsonspec.org), so that the limit means the same for every sender.
  public var storedBytes: Int { AuditValue.object(fields).storedBytes }

  /// Fails with `VALIDATION_FAILED` naming `path` when the log could not store this.
  public func validate(path: String) throws(Failure) {
    guard AuditValue.object(fields).nests(within: AuditLimits.metadataDepthMax) else {
      throw .validation(path, "must not nest deeper than \(AuditLimits.metadataDepthMax) levels")
    }
    guard storedBytes <= AuditLimits.metadataBytesMax else {
      throw .validation(path, "must not be larger than \(AuditLimits.metadataBytesMax) bytes")
    }
    guard AuditValue.object(fields).hasStorableKeys else {
      throw .validation(path, "must not have members that start with $ or contain U+0000")
    }
    guard AuditValue.object(fields).isFinite else {
      throw .validation(path, "must not have numbers that JSON cannot write")
    }
  }
}

extension AuditValue {
  /// Bytes of the value alone, without its type byte and name.
  fileprivate var storedBytes: Int {
    switch self {
    case .null: 0
    case .bool: 1
    case .number: 8
    case .string(let text): 4 + text.utf8.count + 1
    case .list(let values):
      values.enumerated().reduce(5) { $0 + 2 + String($1.offset).utf8.count + $1.element.storedBytes }
    case .object(let fields):
      fields.reduce(5) { $0 + 2 + $1.key.utf8.count + $1.value.storedBytes }
    }
  }

  fileprivate func nests(within levels: Int) -> Bool {
    switch self {
    case .null, .bool, .number, .string: true
    case .list(let values): levels > 0 && values.allSatisfy { $0.nests(within: levels - 1) }
    case .object(let fields): levels > 0 && fields.values.allSatisfy { $0.nests(within: levels - 1) }
    }
  }

  /// Infinities and NaN fit the wire form but not the JSON that the log is read in.
  fileprivate var isFinite: Bool {
    switch self {
    case .null, .bool, .string: true
    case .number(let number): number.isFinite
    case .list(let values): values.allSatisfy(\.isFinite)
    case .object(let fields): fields.values.allSatisfy(\.isFinite)
    }
  }

  /// The database reads `$` names as operators and ends a name at U+0000.
  fileprivate var hasStorableKeys: Bool {
    switch self {
    case .null, .bool, .number, .string: true
    case .list(let values): values.allSatisfy(\.hasStorableKeys)
    case .object(let fields):
      fields.allSatisfy { !$0.key.hasPrefix("$") && !$0.key.utf8.contains(0) && $0.value.hasStorableKeys }
    }
  }
}

public enum AuditLimits {
  /// One relay delivers at most this many at a time: with metadata at its limit that is 8 MiB of documents, below the
  /// 48 MB that one insert command may hold.
  public static let batchEntriesMax = 500
  public static let metadataBytesMax = 16 * 1_024
  /// Metadata is flat by nature; the database itself refuses 100 levels.
  public static let metadataDepthMax = 16
}
