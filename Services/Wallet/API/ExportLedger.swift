import Access
import Kernel
public import Messages
public import RPC
import WalletDomain

extension WalletService {
  /// The file must fit the message that carries it, which the gateway takes up to 12 MiB.
  private static let contentBytesMax = 11 << 20
  /// Rows that are read at once.
  private static let pageSize = 1_000

  public func exportLedger(
    _ request: WalletV1.ExportLedgerRequest, _ context: CallContext
  ) async throws -> WalletV1.ExportLedgerResponse {
    let caller = try context.principal()
    let now = clock.now()
    let csv =
      request.brandLedger
      ? try await brandLedger(request, caller) : try await transactions(request, caller)
    let name = "ledger-\(now.milliseconds).csv"
    try await store.append(
      AuditRecord(
        .dataExported, .export(name),
        facts: [
          "kind": .text(request.brandLedger ? "brand_ledger" : "ledger"), "rows": .count(Int64(csv.rows)),
        ], actor: context.actor, at: now))
    return WalletV1.ExportLedgerResponse(
      fileName: name, contentType: "text/csv; charset=utf-8", content: csv.bytes, rows: Int32(csv.rows))
  }

  private func brandLedger(_ request: WalletV1.ExportLedgerRequest, _ caller: Principal) async throws -> LedgerCSV {
    guard caller.has(.brand) || caller.isPrivileged else {
      throw Failure(.forbidden, "payments to agencies belong to brands")
    }
    let brand = try caller.brand(asked: request.brandUserId)
    try caller.requireOwn(brand)
    return try await csv { try await store.agencyPayments(of: brand, $0) }
  }

  private func transactions(_ request: WalletV1.ExportLedgerRequest, _ caller: Principal) async throws -> LedgerCSV {
    let asked = try TransactionFilter(
      WalletV1.ListTransactionsRequest(
        ownerUserId: request.ownerUserId, walletId: request.walletId, type: request.type, orderId: request.orderId,
        payoutId: request.payoutId, from: request.from, to: request.to, includeMemo: request.includeMemo))
    var filter = asked
    if !caller.isPrivileged {
      try await checkScope(of: asked, for: caller)
      filter.owner = caller.userID
    }
    return try await csv { [filter] in try await store.transactions(filter, $0) }
  }

  /// Fails with `EXPORT_TOO_LARGE`.
  private func csv(_ page: (PageRequest) async throws -> Page<LedgerRow>) async throws -> LedgerCSV {
    let limits = PageLimits(sizeDefault: Self.pageSize, sizeMax: Self.pageSize)
    var csv = LedgerCSV()
    var cursor = ""
    repeat {
      let found = try await page(
        try PageRequest(size: 0, cursor: cursor, includeTotal: false, filters: [], limits: limits))
      for row in found.items { csv.append(row) }
      guard csv.rows <= exportRowsMax, csv.bytes.count <= Self.contentBytesMax else {
        throw Failure(
          .exportTooLarge, "more than \(exportRowsMax) rows, or \(Self.contentBytesMax) bytes: narrow the filters")
      }
      cursor = found.next?.text(filters: []) ?? ""
    } while !cursor.isEmpty
    return csv
  }
}
