import Access
import Config
import HTTP
import Introspection
import Kernel
import Logging
import Mongo
import RPC
import Signals
import Stubs
import Telemetry
import Transport

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A process that serves: starts everything in order, waits for a signal, and ends everything in the reverse order.
struct ServingProcess<Definition: ServiceDefinition>: Sendable {
  private let definition: Definition
  private let configured: Configured<Definition.Settings>
  private let logger: Logger
  private let clock = SystemClock()
  private let metrics = Metrics()
  /// Nil without TLS: there is nothing to read anew.
  private let hangups: HangupSignals?

  /// Everything that runs once the process serves.
  private struct Running: Sendable {
    let health: HealthState
    let rpc: RPCServer
    let admin: HTTPServer
    /// The public port: at the gateway only.
    let http: HTTPServer?
    let background: Task<Void, Never>
    let channels: ChannelRegistry
    let client: MongoClient?
  }

  init(_ definition: Definition, _ configured: Configured<Definition.Settings>, _ logger: Logger) {
    self.definition = definition
    self.configured = configured
    self.logger = logger
    hangups = configured.tls.map { _ in HangupSignals() }
  }

  func run() async throws -> ProcessExit {
    let signals = TerminationSignals()
    logger.info(
      "starting",
      metadata: [
        "version": "\(ServiceCommand.version)",
        "configuration": .dictionary(configured.values.mapValues { .string($0) }),
      ])
    let starting = Task { try await start() }
    signals.onFirst { starting.cancel() }
    let running: Running
    do {
      running = try await starting.value
    } catch {
      guard signals.isReceived else { throw error }
      logger.info("stopped while starting")
      return .success
    }
    await signals.first()
    await stop(running)
    return .success
  }

  // MARK: - Starting

  private func start() async throws -> Running {
    let common = configured.common
    try checkPorts()
    warnAboutTrust()
    let database = try await openDatabase()
    let host = ServiceHost(configured, database: database?.client, clock: clock, logger: logger)
    do {
      if let database {
        try await database.prepareSchema()
        if common.seedProfile != .none { try await definition.seed(common.seedProfile, host) }
      }
      return try await listen(try await definition.assemble(host), host, database?.runner)
    } catch {
      await host.channels.close()
      await database?.client.close()
      throw error
    }
  }

  /// Before anything else is touched: a port of somebody else ends the start (PLATFORM 9).
  private func checkPorts() throws(StartFailure) {
    let common = configured.common
    for port in [common.grpcPort, common.adminPort, common.httpPort ?? 0] where port != 0 {
      if let problem = LocalSocket.problemListening(common.bindAddress, port) {
        throw StartFailure(.unavailable, "cannot listen on port \(port) of \(common.bindAddress): \(problem)")
      }
    }
  }

  private func warnAboutTrust() {
    guard configured.tls == nil else {
      if configured.common.serviceKeysFile != nil {
        logger.warning("SERVICE_KEYS_FILE is not used: with TLS certificates say who calls")
      }
      return
    }
    guard configured.serviceKeys.key(of: configured.service.rawValue) == nil else { return }
    logger.warning("SERVICE_KEYS_FILE names no key of this service: its calls to other services will be refused")
  }

  private func openDatabase() async throws -> ServiceDatabase? {
    guard let settings = configured.common.mongo else { return nil }
    return try await ServiceDatabase.open(
      settings, configured.service, migrations: definition.migrations, clock: clock, logger: logger,
      listener: DatabaseMetrics(metrics))
  }

  private func listen(
    _ assembly: ServiceAssembly, _ host: ServiceHost<Definition.Settings>, _ schema: MigrationRunner?
  ) async throws -> Running {
    let common = configured.common
    let statuses = HealthStatuses()
    let infrastructure = IntrospectionServices.bindings(
      beside: assembly.services, health: statuses, channelz: host.channelz)
    let health = HealthState(
      statuses, services: needs(of: assembly, infrastructure), database: host.client,
      dependencies: assembly.dependencies)
    var listener = RPCServerConfiguration(
      host: common.bindAddress, port: common.grpcPort, tls: serverTLS,
      messageBytesMax: common.grpcMessageBytesMax, concurrentStreamsMax: common.connections.streamsMax)
    listener.connections = ServerConnectionLimits(common)
    listener.channelz = host.channelz
    let services = assembly.services + infrastructure
    let admission = AdmissionControl(
      services: services, configuration: AdmissionConfiguration(common), logger: logger)
    let rpc = RPCServer(
      listener, interceptors: interceptors(assembly, host, admission), services: services, logger: logger)
    let routes = adminRoutes(health, host, admission, assembly.admission)
    let admin = HTTPServer(
      configuration: HTTPServerConfiguration(host: common.bindAddress, port: common.adminPort), handler: routes,
      logger: logger)
    let http = assembly.http.flatMap { own in
      common.httpPort.map { port in
        var configuration = HTTPServerConfiguration(host: common.bindAddress, port: port)
        configuration.connectionsPerAddressMax = common.connections.perAddressMax
        return HTTPServer(
          configuration: configuration, handler: PublicRoutesHandler(admin: routes, own: own), logger: logger)
      }
    }
    let adminAddress = try await admin.start()
    let rpcAddress = try await rpc.start()
    host.replica.isReached(at: Self.text(rpcAddress))
    let httpAddress = try await http?.start()
    try Task.checkCancellation()

    var tasks = backgroundTasks(of: assembly, host)
    if let watch = certificateWatch { tasks.append(watch) }
    if let schema {
      let watch = SchemaWatch(runner: schema, told: { health.schema(isCurrent: $0) }, logger: logger)
      tasks.append(.init("schema") { try await watch.run() })
    }
    for need in health.needs {
      let watch = DependencyWatch(host.channel(to: need))
      tasks.append(.init("health of \(need)") { try await watch.run { health.dependency(need, works: $0) } })
    }
    let background = Task { [tasks] in await BackgroundTasks(tasks: tasks, logger: logger).run() }
    health.started()
    Logs.announceListening(
      service: configured.service.rawValue, grpc: Self.text(rpcAddress), admin: Self.text(adminAddress),
      http: httpAddress.map(Self.text))
    return Running(
      health: health, rpc: rpc, admin: admin, http: http, background: background, channels: host.channels,
      client: host.client)
  }

  /// What runs in every replica, and the one task that leads all others.
  private func backgroundTasks(
    of assembly: ServiceAssembly, _ host: ServiceHost<Definition.Settings>
  ) -> [ServiceAssembly.BackgroundTask] {
    let all =
      assembly.background
      + (host.relay.map { relay in
        [.init("outbox relay", on: .leader) { await relay.run() }]
      } ?? [])
    let led = all.filter { $0.place == .leader }
    guard let lease = host.lease else {
      precondition(led.isEmpty, "\(configured.service) has no lease to lead under")
      return all
    }
    let leader = LeaderTasks(lease: lease, tasks: led, logger: logger)
    return all.filter { $0.place == .everywhere } + [.init("leader") { await leader.run() }]
  }

  /// What each service of the process needs: what the assembly says, and identity for whoever asks for tokens.
  private func needs(
    of assembly: ServiceAssembly, _ infrastructure: [any ServiceBinding]
  ) -> [String: Set<ServiceName>] {
    var needs: [String: Set<ServiceName>] = [:]
    for binding in assembly.services {
      let asksForTokens = binding.methods.contains { !$0.descriptor.rules.roles.isEmpty }
      needs[binding.serviceName] = assembly.needs
      if asksForTokens, configured.service != .identity { needs[binding.serviceName]?.insert(.identity) }
    }
    for binding in infrastructure { needs[binding.serviceName] = [] }
    return needs
  }

  private var serverTLS: ServerTLS? {
    configured.tls.map { credentials in
      logger.info("TLS is on", metadata: CertificateWatch.metadata(credentials.facts))
      return ServerTLS(credentials) { [logger] peer, reason in
        logger.info("a client was refused in the TLS handshake", metadata: ["peer": "\(peer)", "reason": "\(reason)"])
      }
    }
  }

  private var certificateWatch: ServiceAssembly.BackgroundTask? {
    guard let credentials = configured.tls, let settings = configured.common.tls, let hangups else { return nil }
    let watch = CertificateWatch(credentials, interval: settings.reloadInterval, logger: logger)
    return .init("certificates") { await watch.run(requests: hangups.requests) }
  }

  /// The first is the outermost: refusals of the inner ones are logged and counted too. Those of admission are only
  /// counted: a line for each would be work that an overloaded process cannot spare.
  private func interceptors(
    _ assembly: ServiceAssembly, _ host: ServiceHost<Definition.Settings>, _ admission: AdmissionControl
  ) -> [any ServerInterceptor] {
    let verifier = assembly.signingKeys.map { source in
      TokenVerifier(source: source, clock: clock, refresh: configured.common.jwksRefresh, logger: logger)
    }
    return [
      CallMetrics(metrics), admission, CallLog(logger: logger),
      RequestTimeout(limit: configured.common.requestTimeout),
      AccessInterceptor(
        verifier: verifier ?? host.verifier, principals: assembly.principals ?? host.principals,
        serviceKeys: configured.serviceKeys, trustDomain: configured.common.tls?.trustDomain,
        replicas: assembly.replicasHandOn ? configured.service.rawValue : nil),
    ]
  }

  private func adminRoutes(
    _ health: HealthState, _ host: ServiceHost<Definition.Settings>, _ admission: AdmissionControl,
    _ edge: AdmissionControl?
  ) -> AdminRoutes {
    AdminRoutes(health: health, clock: clock) { [metrics, credentials = configured.tls] in
      let certificates = credentials.map { ProcessReadings.certificates($0) } ?? []
      let admissions =
        AdmissionReadings.all(admission, of: "grpc_server")
        + (edge.map { AdmissionReadings.all($0, of: "http_server") } ?? [])
      return metrics.text(
        readings: ProcessReadings.all(database: host.client) + certificates
          + ReliabilityReadings.all(host.lease, host.relay) + admissions)
    }
  }

  private static func text(_ address: (host: String, port: Int)) -> String {
    address.host.contains(":") ? "[\(address.host)]:\(address.port)" : "\(address.host):\(address.port)"
  }

  // MARK: - Ending

  /// DOMAIN 12.2. The admin port answers to the end, so that probes see the drain; the database goes last, because
  /// everything else may still need it.
  private func stop(_ running: Running) async {
    let deadline = Deadline.after(configured.common.shutdownTimeout)
    logger.info("draining")
    let watchdog = Task.detached { [logger] in
      try await Task.sleep(for: deadline.remaining + Self.stopGrace, clock: .continuous)
      logger.critical("the process did not end in time and is cut off")
      _exit(ProcessExit.software.rawValue)
    }
    let limit = max(deadline.remaining, .zero)
    await tellWatchers(running.health, within: min(limit, Self.watchersGrace))
    async let publicDrain: Void? = running.http?.shutdownGracefully(within: limit)
    await running.rpc.shutdownGracefully(within: limit)
    _ = await publicDrain
    running.background.cancel()
    await running.background.value
    await running.channels.close()
    await running.client?.close()
    await running.admin.shutdownGracefully(within: .milliseconds(100))
    watchdog.cancel()
    logger.info("stopped")
  }

  /// Who watches our health hears NOT_SERVING before the connections are told to go (PLATFORM 1.1), unless it does not
  /// read what it is sent.
  private func tellWatchers(_ health: HealthState, within limit: Duration) async {
    health.beginDrain()
    health.statuses.endWatches()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await health.statuses.waitForWatches() }
      group.addTask { try? await Task.sleep(for: limit, clock: .continuous) }
      await group.next()
      group.cancelAll()
    }
  }

  /// How long a watcher may take to read one message.
  private static var watchersGrace: Duration { .seconds(1) }

  /// What ending may take beyond the drain: background tasks that finish a step, the database's own closing.
  private static var stopGrace: Duration { .seconds(10) }
}
