import Access
import AuditDomain
import Kernel
public import Messages
public import RPC

extension AuditInternalService {
  /// The service of every entry is the caller's credential: nobody can write in another's name.
  public func appendAudit(
    _ request: AuditV1.AppendAuditRequest, _ context: CallContext
  ) async throws -> AuditV1.AppendAuditResponse {
    guard case .service(let service, _) = context.caller else {
      throw Failure(.forbidden, "only services append to the audit log")
    }
    guard request.entries.count <= AuditLimits.batchEntriesMax else {
      throw Failure.validation("entries", "must not have more than \(AuditLimits.batchEntriesMax) items")
    }
    var entries: [AuditEntry] = []
    entries.reserveCapacity(request.entries.count)
    for (index, entry) in request.entries.enumerated() {
      entries.append(try AuditEntry(entry, service: service, path: "entries[\(index)]"))
    }
    let appended = try await store.append(entries, at: clock.now())
    return AuditV1.AppendAuditResponse(appended: Int32(appended))
  }
}
