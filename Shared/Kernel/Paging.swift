/// Limits of lists (DOMAIN 0.5).
public struct PageLimits: Sendable {
  public let sizeDefault: Int
  public let sizeMax: Int

  public init(sizeDefault: Int = 50, sizeMax: Int = 200) {
    self.sizeDefault = sizeDefault
    self.sizeMax = sizeMax
  }

  /// Totals are counted up to here and reported as this number beyond.
  public static let totalMax: Int64 = 10_000
}

/// One page of a list ordered by creation time, then id, both descending.
public struct PageRequest: Sendable {
  public let size: Int
  /// The last row of the page before; nil for the first page.
  public let after: Cursor?
  public let includeTotal: Bool

  /// Parses the paging fields of a request; `filters` must name every filter and its value, in a fixed order.
  ///
  /// Fails with `VALIDATION_FAILED` on a negative size and `INVALID_CURSOR` on a cursor of other filters.
  public init(
    size: Int32, cursor: String, includeTotal: Bool, filters: [String], limits: PageLimits = PageLimits()
  ) throws(Failure) {
    guard size >= 0 else { throw .validation("pageSize", "must not be negative") }
    self.size = size == 0 ? limits.sizeDefault : min(Int(size), limits.sizeMax)
    self.includeTotal = includeTotal
    if cursor.isEmpty {
      after = nil
    } else {
      guard let decoded = Cursor(text: cursor, filters: filters) else {
        throw Failure(.invalidCursor, "the cursor is damaged or belongs to another list: start from the first page")
      }
      after = decoded
    }
  }
}

/// The place where a page ended: the sort key and id of its last row.
public struct Cursor: Hashable, Sendable {
  public let createdAt: Timestamp
  public let id: ObjectID

  public init(createdAt: Timestamp, id: ObjectID) {
    self.createdAt = createdAt
    self.id = id
  }

  /// Opaque to callers: hex of `version.milliseconds.id.hash of the filters`.
  public func text(filters: [String]) -> String {
    let plain = "1.\(createdAt.milliseconds).\(id).\(Self.hash(filters))"
    return plain.utf8.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
  }

  init?(text: String, filters: [String]) {
    guard text.utf8.count.isMultiple(of: 2), text.utf8.count <= 1_024 else { return nil }
    let digits = Array(text.utf8)
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      let pair = String(decoding: digits[index...index + 1], as: UTF8.self)
      guard pair.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }),
        let byte = UInt8(pair, radix: 16)
      else { return nil }
      bytes.append(byte)
    }
    let parts = String(decoding: bytes, as: UTF8.self).split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "1", let milliseconds = Int64(parts[1]), let id = ObjectID(String(parts[2])),
      String(parts[3]) == Self.hash(filters)
    else { return nil }
    createdAt = Timestamp(milliseconds: milliseconds)
    self.id = id
  }

  /// FNV-1a, 64 bits: tells lists apart; it protects nothing, because filters are checked again on every page.
  private static func hash(_ filters: [String]) -> String {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for filter in filters {
      for byte in Array(filter.utf8) + [0] {
        hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
      }
    }
    return String(hash, radix: 16)
  }
}

/// One page of results.
public struct Page<Item: Sendable>: Sendable {
  public let items: [Item]
  /// Nil at the end of the list.
  public let next: Cursor?
  /// Present when asked for; capped at `PageLimits.totalMax`.
  public let total: Int64?

  public init(items: [Item], next: Cursor?, total: Int64?) {
    self.items = items
    self.next = next
    self.total = total
  }
}
