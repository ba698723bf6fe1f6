import Access
import Config
import HTTP
import Kernel
import Logging
import Mongo
import RPC

/// What makes one executable: its settings, its schema, its seed, and how its parts are put together.
///
/// `ServiceProcess.run` does the rest, the same for every executable: arguments, configuration, logs, database,
/// listeners, health, drain, exit codes.
public protocol ServiceDefinition: Sendable {
  /// One of `ServiceName`'s raw values.
  static var name: String { get }

  associatedtype Settings: ServiceSettings = NoSettings

  /// In order of application. Empty for a service without a database.
  var migrations: [Migration] { get }

  /// Collections of the database in which nothing is ever changed or removed: the service's database user may only
  /// read them and add to them.
  var appendOnlyCollections: Set<String> { get }

  /// Writes the service's own part of a seed profile (DOMAIN 13); applying it again changes nothing.
  func seed(_ profile: SeedProfile, _ host: ServiceHost<Settings>) async throws

  /// Builds what the process serves. The database is connected and migrated by now; no listener is bound yet.
  func assemble(_ host: ServiceHost<Settings>) async throws -> ServiceAssembly
}

extension ServiceDefinition {
  public var migrations: [Migration] { [] }

  public var appendOnlyCollections: Set<String> { [] }

  public func seed(_ profile: SeedProfile, _ host: ServiceHost<Settings>) async throws {}
}

/// What `assemble` returns.
public struct ServiceAssembly: Sendable {
  /// Work that goes on beside the calls, until the process drains: relays, sweeps, saga repetition.
  public struct BackgroundTask: Sendable {
    public enum Place: Sendable {
      /// In every replica.
      case everywhere
      /// In one replica at a time, under the service's lease: cancelled when that is lost, begun anew by who follows.
      /// The last may still be at it when the next begins, so it must bear being done twice at once.
      case leader
    }

    public let name: String
    public let place: Place
    /// Returns when its task is cancelled. If it throws or returns early it is logged and started again after a
    /// pause.
    public let run: @Sendable () async throws -> Void

    public init(_ name: String, on place: Place = .everywhere, run: @escaping @Sendable () async throws -> Void) {
      self.name = name
      self.place = place
      self.run = run
    }
  }

  public var services: [any ServiceBinding]
  public var background: [BackgroundTask]
  /// Services without which the calls of this one cannot be answered: the health of its services follows theirs.
  /// Identity, which knows the people behind tokens, need not be named.
  public var needs: Set<ServiceName>
  /// Whether replicas of this service hand calls on to each other (`HandedOnCall`), and believe each other for whom.
  public var replicasHandOn: Bool
  /// Where principals come from, if not from identity's GetPrincipal: set by identity alone.
  public var principals: (any PrincipalSource)?
  /// Where signing keys come from, if not from identity's GetSigningKeys: set by identity alone.
  public var signingKeys: (any SigningKeySource)?
  /// Answers on HTTP_PORT: set by the gateway alone. `/live`, `/ready` and `/health` are answered before it.
  public var http: (any HTTPHandler)?
  /// Bounds the requests that `http` answers, for the metrics: set by the gateway alone.
  public var admission: AdmissionControl?
  /// The state of the services behind this one, for Health: name to `ok` or what is wrong. Set by the gateway alone.
  public var dependencies: (@Sendable () async -> [String: String])?

  public init(
    services: [any ServiceBinding], needs: Set<ServiceName> = [], background: [BackgroundTask] = [],
    replicasHandOn: Bool = false,
    principals: (any PrincipalSource)? = nil, signingKeys: (any SigningKeySource)? = nil,
    http: (any HTTPHandler)? = nil, admission: AdmissionControl? = nil,
    dependencies: (@Sendable () async -> [String: String])? = nil
  ) {
    self.services = services
    self.needs = needs
    self.background = background
    self.replicasHandOn = replicasHandOn
    self.principals = principals
    self.signingKeys = signingKeys
    self.http = http
    self.admission = admission
    self.dependencies = dependencies
  }
}
