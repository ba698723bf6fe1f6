/// The processes of the product. The raw value is the name in configuration, service keys and logs.
public enum ServiceName: String, CaseIterable, Hashable, Sendable {
  case identity, campaign, order, wallet, audit, gateway

  /// The gRPC port when `GRPC_PORT` says nothing (DOMAIN 12.1).
  public var grpcPortDefault: Int {
    switch self {
    case .gateway: 50_050
    case .identity: 50_051
    case .campaign: 50_052
    case .order: 50_053
    case .wallet: 50_054
    case .audit: 50_055
    }
  }

  /// False for the gateway, which keeps nothing.
  public var hasDatabase: Bool { self != .gateway }
}

/// Where a process runs. Production refuses the conveniences of the other two; no rule of the product differs.
public enum AppEnvironment: String, CaseIterable, Sendable {
  case development, test, production
}

/// How much is logged. The raw values are those of swift-log.
public enum LogThreshold: String, CaseIterable, Sendable {
  case trace, debug, info, notice, warning, error, critical
}

/// Which seed data a service writes at start (DOMAIN 13).
public enum SeedProfile: String, CaseIterable, Sendable {
  case none, admin, base, demo
}

/// Who judges proof images (DOMAIN 9.5).
public enum ProofVerifierChoice: String, CaseIterable, Sendable {
  case manual, stub
}
