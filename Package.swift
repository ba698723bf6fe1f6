// swift-tools-version: 6.2
import PackageDescription

// Layers are targets: an import that the architecture forbids does not compile (ARCHITECTURE.md).

let log = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioTLS = Target.Dependency.product(name: "NIOTLS", package: "swift-nio")
let nioSSL = Target.Dependency.product(name: "NIOSSL", package: "swift-nio-ssl")
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let x509 = Target.Dependency.product(name: "X509", package: "swift-certificates")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let jwt = Target.Dependency.product(name: "JWTKit", package: "jwt-kit")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")

/// Release builds of what runs for every call do without run-time checks of exclusive access: what belongs to an event
/// loop is touched there by one statement at a time, everything else is behind a `Mutex`. Debug builds, on which the
/// tests run, keep the checks.
let hot: [SwiftSetting] = [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

/// Also, an async function runs where its caller does unless it says otherwise. Without this each one asks for the
/// task's executor when it begins and when it ends, only to find that it is there already.
let hotAsync = hot + [.enableUpcomingFeature("NonisolatedNonsendingByDefault")]

/// Release builds of what runs for long carry the Swift libraries inside, which costs each process less memory and each
/// call less time (deploy/decisions/0013-swift-libraries-inside.md). Nobody looks up a symbol in them, so they export
/// none. The last two libraries are parts of FoundationEssentials; Foundation as a whole does not link this way.
let contained: [LinkerSetting] = [
  .unsafeFlags(
    [
      "-static-stdlib", "-use-ld=lld", "-Xlinker", "--no-export-dynamic", "-l_FoundationCShims",
      "-l_FoundationCollections",
    ], .when(platforms: [.linux], configuration: .release))
]

/// One library of the shared machinery, in `Shared/<name>`.
func shared(_ name: String, _ dependencies: [Target.Dependency], _ settings: [SwiftSetting] = []) -> Target {
  .target(name: name, dependencies: dependencies, path: "Shared/\(name)", swiftSettings: settings)
}

/// The four rooms of a service: pure rules, storage, RPCs, and the executable that wires them.
func service(
  _ name: String, domain: [Target.Dependency] = [], api: [Target.Dependency] = [], main: [Target.Dependency] = []
) -> [Target] {
  let domainName = "\(name)Domain"
  let storageName = "\(name)Storage"
  let apiName = "\(name)API"
  return [
    .target(name: domainName, dependencies: ["Kernel"] + domain, path: "Services/\(name)/Domain"),
    .target(
      name: storageName, dependencies: [.byName(name: domainName), "Kernel", "Mongo", "Reliability"],
      path: "Services/\(name)/Store"),
    .target(
      name: apiName,
      dependencies: [.byName(name: domainName), "Kernel", "Messages", "RPC", "Stubs", "Access"] + api,
      path: "Services/\(name)/API"),
    .executableTarget(
      name: name.lowercased(),
      dependencies: [
        .byName(name: domainName), .byName(name: storageName), .byName(name: apiName), "Kernel", "Config",
        "ServiceRuntime", "Stubs",
      ] + main,
      path: "Services/\(name)/Main", linkerSettings: contained),
  ]
}

/// A suite in `Tests/<folder>`.
func tests(_ name: String, in folder: String, _ dependencies: [Target.Dependency]) -> Target {
  .testTarget(name: name, dependencies: dependencies, path: "Tests/\(folder)")
}

let libraries: [Target] = [
  .systemLibrary(name: "CNghttp2", path: "Shared/CNghttp2", pkgConfig: "libnghttp2"),
  .systemLibrary(name: "CMongoc", path: "Shared/CMongoc", pkgConfig: "libmongoc-1.0"),
  .systemLibrary(name: "CProtobufC", path: "Shared/CProtobufC", pkgConfig: "libprotobuf-c"),
  .systemLibrary(name: "CZlib", path: "Shared/CZlib", pkgConfig: "zlib"),
  .systemLibrary(name: "CArgon2", path: "Shared/CArgon2", pkgConfig: "libargon2"),
  .target(name: "CProtos", dependencies: ["CProtobufC"], path: "Shared/CProtos"),
  shared("Kernel", []),
  shared("Messages", ["Kernel", "CProtos", "CProtobufC"], hot),
  shared("HTTP2", ["CNghttp2", nioCore], hot),
  shared("Transport", ["HTTP2", nioCore, nioPosix, nioTLS, nioSSL, x509], hot),
  shared("RPC", ["Kernel", "Messages", "HTTP2", "Transport", "CZlib", nioCore, nioPosix, log], hotAsync),
  shared("Stubs", ["Kernel", "Messages", "RPC"], hotAsync),
  shared("Introspection", ["Kernel", "Messages", "Transport", "RPC", "Stubs"]),
  shared("Mongo", ["Kernel", "CMongoc", crypto, log]),
  shared("Reliability", ["Kernel", "Mongo", "Messages", "RPC", "Stubs", crypto, log]),
  shared("Config", ["Kernel"]),
  shared("Signals", []),
  shared("Telemetry", ["Kernel", log]),
  shared("Access", ["Kernel", "Messages", "RPC", "Stubs", crypto, jwt, log]),
  shared("HTTP", ["Kernel", "HTTP2", "Transport", nioCore, nioPosix, nioHTTP1, log]),
  shared(
    "ServiceRuntime",
    [
      "Kernel", "Config", "Telemetry", "RPC", "Transport", "Messages", "Stubs", "Introspection", "Mongo",
      "Reliability", "Access", "HTTP", "Signals", argumentParser, log,
    ]),
  shared("TestKit", ["Kernel", "Mongo", log]),
]

let tools: [Target] = [
  .executableTarget(name: "protogen", path: "Shared/ProtoGen"),
  .executableTarget(
    name: "mobo",
    dependencies: ["Access", "Kernel", "Messages", "RPC", "Stubs", "Transport", argumentParser, log],
    path: "Shared/Operator"),
  .executableTarget(
    name: "bench-echo",
    dependencies: ["Introspection", "Messages", "RPC", "Stubs", "Signals", "Telemetry", argumentParser, log],
    path: "Shared/BenchEcho", swiftSettings: hotAsync, linkerSettings: contained),
  .executableTarget(name: "bench-bson", dependencies: ["Kernel", "Mongo"], path: "Shared/BenchBSON"),
  .executableTarget(
    name: "bench-load", dependencies: ["Messages", "RPC", "Stubs", "Signals", argumentParser, log],
    path: "Shared/BenchLoad"),
  // Transfers of `./mobo bench wallet`, through the service and as plain transactions.
  .executableTarget(
    name: "bench-wallet",
    dependencies: [
      "Kernel", "Messages", "Mongo", "RPC", "Stubs", "WalletDomain", "WalletStorage", argumentParser, log,
    ],
    path: "Tests/Bench/wallet/Driver"),
  // The two ends of gRPC's interoperability tests.
  .executableTarget(
    name: "interop-server",
    dependencies: [
      "Introspection", "Messages", "RPC", "Stubs", "Signals", "Telemetry", "Transport", argumentParser, log,
    ],
    path: "Tests/Interop/Server"),
  .executableTarget(
    name: "interop-client", dependencies: ["Messages", "RPC", "Stubs", "Transport", argumentParser, log],
    path: "Tests/Interop/Client"),
]

let services: [Target] =
  service("Identity", api: ["Reliability", crypto, log], main: ["Access", "Mongo", "Passwords"])
  + [
    .target(
      name: "Passwords", dependencies: ["Kernel", "IdentityDomain", "CArgon2", crypto],
      path: "Services/Identity/Passwords")
  ]
  + service("Campaign", main: ["Mongo", "Reliability"])
  + service("Order", api: ["Reliability", crypto, log], main: ["Access", log])
  + service("Wallet", api: ["Reliability"], main: ["Reliability"])
  + service("Audit", main: ["Mongo"])
  + [
    .target(
      name: "GatewayAPI",
      dependencies: ["Kernel", "Messages", "RPC", "Stubs", "Access", "HTTP", log], path: "Services/Gateway/API"),
    .executableTarget(
      name: "gateway",
      dependencies: [
        "GatewayAPI", "Access", "Kernel", "Config", "Messages", "ServiceRuntime", "Stubs", "RPC",
      ],
      path: "Services/Gateway/Main", linkerSettings: contained),
  ]

let suites: [Target] = [
  // Certificates in memory: for tests only.
  .target(name: "TestCertificates", dependencies: ["Transport", x509, crypto], path: "Tests/Support/Certificates"),
  tests("KernelTests", in: "Unit/Kernel", ["Kernel"]),
  tests("MessagesTests", in: "Unit/Messages", ["Kernel", "Messages", "RPC", "Stubs", log]),
  tests(
    "RPCTests", in: "Unit/RPC",
    [
      "Kernel", "CNghttp2", "HTTP2", "Transport", "RPC", "Messages", nioCore, nioPosix, nioEmbedded, log,
      "TestCertificates",
    ]),
  tests("IntrospectionTests", in: "Unit/Introspection", ["Kernel", "Introspection", "Messages", "RPC", "Stubs", log]),
  tests("ConfigTests", in: "Unit/Config", ["Kernel", "Config"]),
  tests("TelemetryTests", in: "Unit/Telemetry", ["Kernel", "Telemetry", log]),
  tests(
    "ServiceRuntimeTests", in: "Unit/ServiceRuntime",
    [
      "Kernel", "Config", "ServiceRuntime", "Introspection", "Transport", "HTTP", "Messages", log, "TestCertificates",
    ]),
  tests("HTTPTests", in: "Integration/HTTP", ["Kernel", "HTTP", "Transport", "HTTP2", nioCore, nioPosix, log]),
  tests("AccessTests", in: "Unit/Access", ["Kernel", "Access", "RPC", "Transport", "Messages", "Stubs", jwt, log]),
  tests("MongoTests", in: "Integration/Mongo", ["Kernel", "Mongo", "Reliability", "Messages", "Stubs", "TestKit"]),
  // Accounts in memory: for tests only.
  .target(
    name: "IdentityMemory", dependencies: ["Kernel", "IdentityDomain"], path: "Tests/Support/IdentityMemory"),
  tests(
    "IdentityTests", in: "Unit/Identity",
    [
      "Kernel", "IdentityDomain", "IdentityMemory", "IdentityAPI", "Passwords", "Access", "Messages", "RPC", log,
    ]),
  tests("CampaignTests", in: "Unit/Campaign", ["Kernel", "CampaignDomain"]),
  // Orders in memory: for tests only.
  .target(name: "OrderMemory", dependencies: ["Kernel", "OrderDomain"], path: "Tests/Support/OrderMemory"),
  tests(
    "OrderTests", in: "Unit/Order",
    ["Kernel", "OrderDomain", "OrderMemory", "OrderAPI", "Messages", "RPC", "Stubs", "Access", log]),
  // The books in memory, with faults to order: for tests only.
  .target(name: "WalletMemory", dependencies: ["Kernel", "WalletDomain"], path: "Tests/Support/WalletMemory"),
  // Everything that can go wrong around the books, decided by a seed: for tests, and as a command for long runs.
  .target(
    name: "WalletSimulation", dependencies: ["Kernel", "WalletDomain", "WalletMemory"],
    path: "Tests/Simulation/Wallet"),
  .executableTarget(
    name: "wallet-simulation", dependencies: ["WalletSimulation", argumentParser], path: "Tests/Simulation/Runner"),
  tests("SimulationTests", in: "Simulation/Suite", ["WalletSimulation"]),
  tests(
    "WalletTests", in: "Unit/Wallet",
    ["Kernel", "WalletDomain", "WalletMemory", "WalletSimulation", "WalletAPI", "Messages", "RPC", "Access", "Stubs"]),
  tests("AuditTests", in: "Unit/Audit", ["Kernel", "AuditDomain"]),
  tests(
    "GatewayTests", in: "Unit/Gateway",
    ["Kernel", "GatewayAPI", "Access", "Messages", "RPC", "Stubs", "HTTP", log]),
  tests(
    "StoreContractTests", in: "Contract",
    [
      "Kernel", "Mongo", "Reliability", "TestKit", "IdentityDomain", "IdentityStorage", "IdentityMemory",
      "CampaignDomain", "CampaignStorage", "OrderDomain", "OrderStorage", "OrderMemory", "WalletDomain",
      "WalletStorage", "WalletMemory", "AuditDomain", "AuditStorage",
    ]),
]

/// `MOBO_TARGETS=WalletTests,wallet` narrows the package to these targets and what they need, so that work on one
/// part neither builds nor waits for the others.
func narrowed(_ all: [Target], to names: [String]) -> [Target] {
  var wanted = Set(names)
  var grew = true
  while grew {
    let before = wanted.count
    for target in all where wanted.contains(target.name) {
      for dependency in target.dependencies {
        switch dependency {
        case .byNameItem(let name, _), .targetItem(let name, _): wanted.insert(name)
        default: break
        }
      }
    }
    grew = wanted.count > before
  }
  return all.filter { wanted.contains($0.name) }
}

let everything = libraries + tools + services + suites
let targets =
  Context.environment["MOBO_TARGETS"].map { names in
    narrowed(everything, to: names.split(separator: ",").map(String.init))
  } ?? everything

let package = Package(
  name: "mobo",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(url: "https://github.com/apple/swift-nio.git", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl.git", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-certificates.git", from: "1.20.0"),
    .package(url: "https://github.com/apple/swift-log.git", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-argument-parser.git", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto.git", "3.12.3"..<"5.0.0"),
    .package(url: "https://github.com/vapor/jwt-kit.git", from: "5.7.1"),
  ],
  targets: targets,
  swiftLanguageModes: [.v6]
)
