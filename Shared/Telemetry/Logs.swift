import Kernel
import Logging

/// Start of the process's logs.
public enum Logs {
  /// Sends every `Logger` of the process to standard error. Call once, before the first logger is made.
  public static func start(service: String, level: Logger.Level) {
    LoggingSystem.bootstrap { _ in JSONLogHandler(service: service, level: level) }
  }

  /// Says that all listeners are bound, whatever the log level is: scripts wait for this line (PLATFORM 11.1).
  ///
  /// - Parameters: addresses as `host:port` with the ports really taken; `http` at the gateway only.
  public static func announceListening(
    service: String, grpc: String, admin: String, http: String?, clock: any WallClock = SystemClock(),
    sink: any LogSink = StandardErrorSink()
  ) {
    var line = LogLine(at: clock.now(), level: "info", message: "listening")
    line.append("service", service)
    line.append("grpc", grpc)
    line.append("admin", admin)
    if let http { line.append("http", http) }
    sink.write(line.finished())
  }
}
