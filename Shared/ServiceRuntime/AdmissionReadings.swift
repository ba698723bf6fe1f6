import RPC
import Telemetry

/// What admission control does, per method.
enum AdmissionReadings {
  /// - Parameter server: what the metrics' names begin with.
  static func all(_ admission: AdmissionControl, of server: String) -> [Metrics.Reading] {
    let readings = admission.readings
    var metrics: [Metrics.Reading] = []
    func gauge(_ name: String, _ help: String, _ value: (AdmissionReading) -> Int) {
      for reading in readings {
        metrics.append(
          .init(
            name, help: help, Double(value(reading)),
            labels: ["grpc_method": reading.group, "lane": reading.lane.rawValue]))
      }
    }
    gauge("\(server)_admission_limit", "Calls of the method that may run now.") { $0.limit }
    gauge("\(server)_admission_running", "Calls of the method that run.") { $0.running }
    gauge("\(server)_admission_waiting", "Calls of the method that wait for their turn.") { $0.waiting }
    for reading in readings {
      for (refusal, count) in reading.refused where count > 0 {
        metrics.append(
          .init(
            "\(server)_admission_refused", .counter, help: "Calls that were not admitted.", Double(count),
            labels: ["grpc_method": reading.group, "lane": reading.lane.rawValue, "reason": refusal.reason]))
      }
    }
    return metrics
  }
}
