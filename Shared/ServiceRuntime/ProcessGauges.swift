import Mongo

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the system knows about this process, at the moment of asking.
enum ProcessGauges {
  typealias Gauge = (name: String, help: String, value: Double)

  static func all(database: MongoClient?) -> [Gauge] {
    var gauges: [Gauge] = []
    var usage = rusage()
    if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
      let seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)
      gauges.append(("process_cpu_seconds", "Processor time used.", seconds))
    }
    if let pages = residentPages {
      gauges.append(("process_resident_memory_bytes", "Memory in use.", Double(pages * sysconf(Int32(_SC_PAGESIZE)))))
    }
    if let database {
      let pool = database.poolStatistics
      gauges.append(("mongodb_pool_size", "Open connections of the pool.", Double(pool.size)))
      gauges.append(("mongodb_pool_idle", "Connections of the pool without work.", Double(pool.idle)))
      gauges.append(("mongodb_pool_queued", "Calls that wait for a connection.", Double(pool.queued)))
      let isConnected = database.state == .connected
      gauges.append(("mongodb_connected", "1 while the primary is known.", isConnected ? 1 : 0))
    }
    return gauges
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
