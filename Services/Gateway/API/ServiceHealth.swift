import Kernel
import Messages
import RPC
import Stubs

/// The state of the services behind the gateway, asked of each by `grpc.health.v1` when somebody wants to know.
public struct ServiceHealth: Sendable {
  /// Long enough for a busy service, short enough for a probe that waits.
  public static let deadline = Duration.seconds(2)

  private let services: [(name: String, health: HealthClient)]

  public init(_ channels: [(name: String, channel: RPCChannel)]) {
    services = channels.map { ($0.name, HealthClient($0.channel)) }
  }

  /// Name to `ok`, `degraded` or `unreachable`. Asks all at once.
  public func states() async -> [String: String] {
    await withTaskGroup(of: (String, String).self) { group in
      for (name, health) in services {
        group.addTask { (name, await Self.state(of: health)) }
      }
      return await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
    }
  }

  private static func state(of health: HealthClient) async -> String {
    do {
      let answer = try await health.check(
        GrpcHealthV1.HealthCheckRequest(), options: CallOptions(deadline: deadline, retry: .none))
      return answer.status == .serving ? "ok" : "degraded"
    } catch {
      return "unreachable"
    }
  }
}
