public import CampaignDomain
public import Kernel
import Messages
public import Stubs
import Synchronization

/// Asks identity which agency a mediator works under, and remembers the answer for a while.
///
/// A mediator keeps its agency and codes are never reused, so an old answer is not wrong; the time limit only bounds
/// how long a correction by hand takes to arrive.
public final class RemoteAgencySource: AgencySource {
  /// A few megabytes at most; beyond it everything is forgotten and asked again.
  static let entriesMax = 10_000

  private struct Entry {
    let agency: PartyCode
    let expires: ContinuousClock.Instant
  }

  private let identity: IdentityInternalServiceClient
  private let lifetime: Duration
  private let known = Mutex<[PartyCode: Entry]>([:])

  /// - Parameter lifetime: zero asks identity every time.
  public init(identity: IdentityInternalServiceClient, lifetime: Duration) {
    self.identity = identity
    self.lifetime = lifetime
  }

  public func agency(of mediator: PartyCode) async throws -> PartyCode? {
    let started = ContinuousClock.now
    if let entry = known.withLock({ $0[mediator] }), started < entry.expires { return entry.agency }
    guard let agency = try await ask(mediator) else { return nil }
    guard lifetime > .zero else { return agency }
    known.withLock { known in
      if known.count >= Self.entriesMax { known.removeAll(keepingCapacity: true) }
      known[mediator] = Entry(agency: agency, expires: started.advanced(by: lifetime))
    }
    return agency
  }

  private func ask(_ mediator: PartyCode) async throws -> PartyCode? {
    do {
      let lineage = try await identity.getLineage(IdentityV1.GetLineageRequest(code: mediator.rawValue))
      return lineage.subject?.parentCode.flatMap { PartyCode($0) }
    } catch let failure as Failure where failure.code == .userNotFound {
      return nil
    }
  }
}
