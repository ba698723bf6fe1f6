import Mongo
import Telemetry

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the system knows about this process, at the moment of asking.
enum ProcessReadings {
  static func all(database: MongoClient?) -> [Metrics.Reading] {
    var readings: [Metrics.Reading] = []
    var usage = rusage()
    if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
      let seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)
      readings.append(.init("process_cpu_seconds", .counter, help: "Processor time used.", seconds))
    }
    if let pages = residentPages {
      let bytes = Double(pages * sysconf(Int32(_SC_PAGESIZE)))
      readings.append(.init("process_resident_memory_bytes", help: "Memory in use.", bytes))
    }
    return readings + (database.map(DatabaseMetrics.readings) ?? [])
  }

  /// Second field of /proc/self/statm; nil where there is no such file.
  private static var residentPages: Int? {
    guard let file = fopen("/proc/self/statm", "re") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 128)
    guard fgets(&line, Int32(line.count), file) != nil else { return nil }
    let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return text.split(separator: " ").dropFirst().first.flatMap { Int($0) }
  }

  private static func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000
  }
}
