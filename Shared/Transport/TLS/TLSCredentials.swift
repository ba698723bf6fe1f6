internal import NIOSSL
internal import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// The certificate, key and authorities of a process, read anew when told to.
///
/// A handshake uses what is current when it begins; connections that exist keep what they began with, until the server
/// finds them too old (`ServerConnectionLimits.ageMax`). Files that cannot be used change nothing.
///
/// There are no revocation lists: certificates are short-lived instead, and a process that must be shut out at once is
/// shut out by changing the authority and restarting whoever talks to it.
public final class TLSCredentials: Sendable {
  /// What `reload` found.
  public enum Reload: Hashable, Sendable {
    case unchanged
    case replaced(TLSFacts)
    /// The last good ones stay. `isNew` is false for files that were refused the last time too.
    case refused(TLSFailure, isNew: Bool)
  }

  /// Counts since the start of the process.
  public struct Statistics: Hashable, Sendable {
    public var handshakes = 0
    public var failedHandshakes = 0
    public var reloads = 0
    public var failedReloads = 0
  }

  private struct State {
    var snapshot: TLSSnapshot
    var refused: TLSFailure?
    var statistics = Statistics()
  }

  private let files: TLSFiles
  private let identity: SPIFFEID?
  private let now: @Sendable () -> Int64
  private let state: Mutex<State>
  /// Held while files are read, so that of two readings the later one counts.
  private let reading = Mutex(())

  /// Reads the files and refuses what could not serve: unreadable or foreign content, a key that others may read or
  /// that belongs to another certificate, an expired certificate, one that says we are somebody else, and, where it
  /// must say who we are, one that no authority of the own bundle has issued.
  ///
  /// - Parameters:
  ///   - identity: who the certificate must say this process is; nil takes any.
  ///   - now: the wall clock in seconds since 1970.
  public init(
    _ files: TLSFiles, identity: SPIFFEID? = nil, now: @escaping @Sendable () -> Int64 = { Int64(time(nil)) }
  ) throws(TLSFailure) {
    self.files = files
    self.identity = identity
    self.now = now
    state = Mutex(State(snapshot: try TLSSnapshot(files.read(), identity: identity, now: now())))
  }

  public var facts: TLSFacts { snapshot.facts }
  public var statistics: Statistics { state.withLock { $0.statistics } }

  /// How long the own certificate is still valid, in seconds, negative once it has expired; nil without one.
  public var secondsLeft: Int64? { facts.certificateNotAfter.map { $0 - now() } }

  var snapshot: TLSSnapshot { state.withLock { $0.snapshot } }

  /// Reads the files again. Blocks while it reads: not for event loops.
  public func reload() -> Reload {
    reading.withLock { _ in readAgain() }
  }

  private func readAgain() -> Reload {
    do throws(TLSFailure) {
      let contents = try files.read()
      // A renewal that is half written now is whole the next time.
      guard contents != snapshot.contents else {
        state.withLock { $0.refused = nil }
        return .unchanged
      }
      let fresh = try TLSSnapshot(contents, identity: identity, now: now())
      state.withLock { state in
        state.snapshot = fresh
        state.refused = nil
        state.statistics.reloads += 1
      }
      return .replaced(fresh.facts)
    } catch {
      return state.withLock { state in
        let isNew = state.refused != error
        state.refused = error
        if isNew { state.statistics.failedReloads += 1 }
        return .refused(error, isNew: isNew)
      }
    }
  }

  func handshakeEnded(isGood: Bool) {
    state.withLock { state in
      if isGood { state.statistics.handshakes += 1 } else { state.statistics.failedHandshakes += 1 }
    }
  }

  /// True when a certificate that ends then is still good.
  func isValid(until notAfter: Int64) -> Bool { notAfter > now() }
}

/// TLS of a server.
public struct ServerTLS: Sendable {
  public var credentials: TLSCredentials
  /// Told of every client that was turned away, with its address and why. Called on event loops.
  public var refused: @Sendable (_ peer: String, _ reason: String) -> Void

  /// The credentials must have a certificate. With authorities every client must present a certificate of theirs.
  public init(
    _ credentials: TLSCredentials, refused: @escaping @Sendable (_ peer: String, _ reason: String) -> Void = { _, _ in }
  ) {
    self.credentials = credentials
    self.refused = refused
  }
}

/// TLS of a client.
public struct ClientTLS: Sendable {
  /// Who the server must be. A valid certificate alone does not do: any service has one.
  public enum Server: Hashable, Sendable {
    /// Its certificate has exactly this SPIFFE id, whatever host it runs on.
    case identity(SPIFFEID)
    /// Its certificate is for this host: a DNS name, or the IP address that is connected to.
    case host(String)
  }

  public var credentials: TLSCredentials
  public var server: Server

  public init(_ credentials: TLSCredentials, server: Server) {
    self.credentials = credentials
    self.server = server
  }
}
