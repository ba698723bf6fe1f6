import Config
import Introspection
import Testing

@testable import ServiceRuntime

@Suite("Health of a process") struct HealthStateTests {
  private let health = HealthState(
    services: ["mobo.order.v1.OrderService": [.campaign, .wallet], "grpc.health.v1.Health": []], database: nil,
    dependencies: nil)

  private func expect(whole: HealthStatuses.Status, order: HealthStatuses.Status) {
    #expect(
      health.statuses.all == ["": whole, "mobo.order.v1.OrderService": order, "grpc.health.v1.Health": whole])
  }

  @Test("a service serves when its process has started and everything that it needs works")
  func dependencies() {
    expect(whole: .notServing, order: .notServing)
    health.started()
    expect(whole: .serving, order: .notServing)
    health.dependency(.wallet, works: true)
    expect(whole: .serving, order: .notServing)
    health.dependency(.campaign, works: true)
    expect(whole: .serving, order: .serving)
    health.dependency(.wallet, works: false)
    expect(whole: .serving, order: .notServing)
    health.dependency(.wallet, works: true)
    expect(whole: .serving, order: .serving)
  }

  @Test("a process that drains serves nothing")
  func drain() {
    health.started()
    for need in health.needs { health.dependency(need, works: true) }
    expect(whole: .serving, order: .serving)
    health.beginDrain()
    expect(whole: .notServing, order: .notServing)
  }
}
