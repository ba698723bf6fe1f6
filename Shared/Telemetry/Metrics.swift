import Synchronization

/// Counters, gauges and histograms of the process, as OpenMetrics text.
///
/// Label values come from method descriptors and status codes only, never from input, so that the number of series
/// is bounded by the program.
public final class Metrics: Sendable {
  public static let contentType = "application/openmetrics-text; version=1.0.0; charset=utf-8"

  /// Seconds; from well below one database read to the longest deadline.
  public static let latencyBounds: [Double] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
  ]

  private struct Series: Hashable {
    let name: String
    /// `method="x",code="OK"`, ready to print.
    let labels: String
  }

  /// One series that only grows. Whoever counts often keeps it instead of naming it anew.
  public final class Counter: Sendable {
    private let count = Atomic<UInt64>(0)

    fileprivate init() {}

    public var value: UInt64 { count.load(ordering: .relaxed) }

    public func increment(by amount: UInt64 = 1) {
      count.wrappingAdd(amount, ordering: .relaxed)
    }
  }

  /// How long something took, each time. Whoever observes often keeps it instead of naming it anew.
  public final class Histogram: Sendable {
    fileprivate struct Reading {
      var buckets = [UInt64](repeating: 0, count: Metrics.latencyBounds.count)
      var count: UInt64 = 0
      var sum = 0.0
    }

    private let state = Mutex(Reading())

    fileprivate init() {}

    fileprivate var reading: Reading { state.withLock { $0 } }

    public func observe(_ duration: Duration) {
      let parts = duration.components
      let seconds = Double(parts.seconds) + Double(parts.attoseconds) / 1e18
      let bucket = Metrics.latencyBounds.firstIndex { seconds <= $0 }
      state.withLock { state in
        state.count += 1
        state.sum += seconds
        if let bucket { state.buckets[bucket] += 1 }
      }
    }
  }

  private struct State {
    var counters: [Series: Counter] = [:]
    var histograms: [Series: Histogram] = [:]
    var help: [String: String] = [:]
  }

  private let state = Mutex(State())

  public init() {}

  public func describe(_ name: String, _ help: String) {
    state.withLock { $0.help[name] = help }
  }

  /// The series of these labels; begun at zero by whoever asks first.
  public func counter(_ name: String, _ labels: KeyValuePairs<String, String> = [:]) -> Counter {
    let series = Series(name: name, labels: Self.text(of: labels))
    return state.withLock { state in
      if let known = state.counters[series] { return known }
      let new = Counter()
      state.counters[series] = new
      return new
    }
  }

  /// The series of these labels; begun empty by whoever asks first.
  public func histogram(_ name: String, _ labels: KeyValuePairs<String, String> = [:]) -> Histogram {
    let series = Series(name: name, labels: Self.text(of: labels))
    return state.withLock { state in
      if let known = state.histograms[series] { return known }
      let new = Histogram()
      state.histograms[series] = new
      return new
    }
  }

  public func increment(_ name: String, _ labels: KeyValuePairs<String, String> = [:], by amount: UInt64 = 1) {
    counter(name, labels).increment(by: amount)
  }

  public func observe(_ name: String, _ labels: KeyValuePairs<String, String> = [:], _ duration: Duration) {
    histogram(name, labels).observe(duration)
  }

  /// A value that the caller reads at the moment of asking.
  public struct Reading: Sendable {
    public enum Kind: String, Sendable {
      case gauge, counter
    }

    let name: String
    let kind: Kind
    let help: String
    let labels: String
    let value: Double

    /// - Parameter name: of a counter without its `_total`. Readings of one name stand together.
    public init(
      _ name: String, _ kind: Kind = .gauge, help: String, _ value: Double,
      labels: KeyValuePairs<String, String> = [:]
    ) {
      self.name = name
      self.kind = kind
      self.help = help
      self.labels = Metrics.text(of: labels)
      self.value = value
    }
  }

  /// The whole exposition, `# EOF` included.
  public func text(readings: [Reading] = []) -> String {
    let (counters, histograms, help) = state.withLock { ($0.counters, $0.histograms, $0.help) }
    var lines: [String] = []
    var previous: String?
    for reading in readings {
      if reading.name != previous {
        lines += ["# TYPE \(reading.name) \(reading.kind.rawValue)", "# HELP \(reading.name) \(reading.help)"]
        previous = reading.name
      }
      let sample = reading.kind == .counter ? reading.name + "_total" : reading.name
      lines.append("\(sample)\(Self.braced(reading.labels)) \(reading.value)")
    }
    for (name, group) in Self.grouped(counters) {
      lines += Self.header(name, "counter", help)
      lines += group.map { series, counter in "\(name)_total\(Self.braced(series.labels)) \(counter.value)" }
    }
    for (name, group) in Self.grouped(histograms) {
      lines += Self.header(name, "histogram", help)
      for (series, histogram) in group { lines += Self.lines(of: histogram.reading, name, series.labels) }
    }
    lines.append("# EOF")
    return lines.joined(separator: "\n") + "\n"
  }

  private static func grouped<Value>(_ all: [Series: Value]) -> [(String, [(Series, Value)])] {
    Dictionary(grouping: all.map { ($0.key, $0.value) }, by: \.0.name)
      .map { ($0.key, $0.value.sorted { $0.0.labels < $1.0.labels }) }
      .sorted { $0.0 < $1.0 }
  }

  private static func header(_ name: String, _ type: String, _ help: [String: String]) -> [String] {
    ["# TYPE \(name) \(type)"] + (help[name].map { ["# HELP \(name) \($0)"] } ?? [])
  }

  private static func lines(of histogram: Histogram.Reading, _ name: String, _ labels: String) -> [String] {
    let prefix = labels.isEmpty ? "" : labels + ","
    var lines: [String] = []
    var cumulative: UInt64 = 0
    for (bound, count) in zip(latencyBounds, histogram.buckets) {
      cumulative += count
      lines.append("\(name)_bucket{\(prefix)le=\"\(bound)\"} \(cumulative)")
    }
    lines.append("\(name)_bucket{\(prefix)le=\"+Inf\"} \(histogram.count)")
    lines.append("\(name)_count\(braced(labels)) \(histogram.count)")
    lines.append("\(name)_sum\(braced(labels)) \(histogram.sum)")
    return lines
  }

  private static func text(of labels: KeyValuePairs<String, String>) -> String {
    labels.map { name, value in "\(name)=\"\(escaped(value))\"" }.joined(separator: ",")
  }

  private static func escaped(_ value: String) -> String {
    let special = [UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "\n")]
    guard value.utf8.contains(where: special.contains) else { return value }
    return value.map { character -> String in
      switch character {
      case "\\": "\\\\"
      case "\"": "\\\""
      case "\n": "\\n"
      default: String(character)
      }
    }.joined()
  }

  private static func braced(_ labels: String) -> String { labels.isEmpty ? "" : "{\(labels)}" }
}
