import AuditDomain
import Kernel
public import Messages
public import RPC

extension AuditService {
  public func listAuditLogs(
    _ request: AuditV1.ListAuditLogsRequest, _ context: CallContext
  ) async throws -> AuditV1.ListAuditLogsResponse {
    let from = request.from?.kernel
    let to = request.to?.kernel
    let filters = [
      "ListAuditLogs", "action=\(request.action ?? "")", "entityType=\(request.entityType ?? "")",
      "entityId=\(request.entityId ?? "")", "actorUserId=\(request.actorUserId ?? "")",
      "from=\(from.map { String($0.milliseconds) } ?? "")", "to=\(to.map { String($0.milliseconds) } ?? "")",
    ]
    let page = try PageRequest(
      size: request.pageSize, cursor: request.cursor, includeTotal: request.includeTotal, filters: filters,
      limits: pageLimits)
    let records = try await store.records(
      AuditQuery(
        action: request.action, entityType: request.entityType, entityID: request.entityId,
        actorUserID: request.actorUserId, from: from, to: to, page: page))
    return AuditV1.ListAuditLogsResponse(
      items: records.items.map(AuditV1.AuditLog.init), nextCursor: records.next?.text(filters: filters) ?? "",
      total: records.total)
  }
}
