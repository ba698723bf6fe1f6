import Kernel

/// The postings of a snapshot in the order of their keys, one after the other.
struct PostingStream {
  private let snapshot: any LedgerSnapshot
  private let upper: String?
  private var place: String
  private var page: ArraySlice<LedgerRow> = []
  private var isAtEnd = false
  /// Postings of which more rows may come. There is more than one when a reference looks like the leg of another
  /// posting: the legs of `A#1` lie between the first and the second of `A`.
  private var begun: [[LedgerRow]] = []
  private var complete: [[LedgerRow]] = []

  /// All postings, or those whose key begins with `prefix`.
  init(_ snapshot: any LedgerSnapshot, prefix: String = "") {
    self.snapshot = snapshot
    place = prefix
    // The prefixes end in a colon, which a semicolon follows.
    upper = prefix.isEmpty ? nil : String(prefix.dropLast()) + ";"
  }

  /// The rows of the next posting, in order of their legs; nil at the end.
  mutating func next() async throws -> [LedgerRow]? {
    while complete.isEmpty {
      guard let row = try await nextRow() else {
        guard !begun.isEmpty else { return nil }
        complete = begun.reversed()
        begun = []
        break
      }
      take(row)
    }
    return complete.removeFirst().sorted { $0.number < $1.number }
  }

  private mutating func take(_ row: LedgerRow) {
    let key = row.idempotencyKey.utf8
    while let last = begun.last?.first, !key.starts(with: "\(last.posting.text)#".utf8) {
      complete.append(begun.removeLast())
    }
    if begun.last?.first?.posting == row.posting {
      begun[begun.count - 1].append(row)
    } else {
      begun.append([row])
    }
  }

  private mutating func nextRow() async throws -> LedgerRow? {
    if page.isEmpty, !isAtEnd {
      let rows = try await snapshot.rows(after: place, below: upper, limit: Reconciliation.pageSize)
      isAtEnd = rows.count < Reconciliation.pageSize
      if let last = rows.last { place = last.idempotencyKey }
      page = rows[...]
    }
    return page.popFirst()
  }
}
