import Foundation

/// What became of the calls so far.
struct Tally {
  private(set) var started = 0
  private(set) var succeeded = 0
  private(set) var failed = 0
  private var failures: [String: Int] = [:]
  private var latencies = Histogram()

  private static let failureTextsMax = 50
  private static let overrun = "not made: too many calls under way"
  private static let other = "further texts"

  /// False counts a call that cannot be made as failed.
  mutating func begin(unlessBeyond outstandingMax: Int) -> Bool {
    started += 1
    guard started - succeeded - failed <= outstandingMax else {
      count(Tally.overrun)
      return false
    }
    return true
  }

  mutating func end(_ failure: String?, _ latency: Duration) {
    guard let failure else {
      succeeded += 1
      latencies.record(microseconds: Int(latency / .microseconds(1)))
      return
    }
    count(failure)
  }

  private mutating func count(_ failure: String) {
    failed += 1
    let known = failures[failure] != nil || failures.count < Tally.failureTextsMax
    failures[known ? failure : Tally.other, default: 0] += 1
  }

  func json(latencies withLatencies: Bool) -> String {
    var object: [String: Any] = ["started": started, "succeeded": succeeded, "failed": failed]
    if !failures.isEmpty { object["failures"] = failures }
    if withLatencies {
      object["p50Micros"] = latencies.percentile(0.5)
      object["p99Micros"] = latencies.percentile(0.99)
      object["maxMicros"] = latencies.percentile(1)
    }
    let options: JSONSerialization.WritingOptions = [.sortedKeys, .withoutEscapingSlashes]
    guard let data = try? JSONSerialization.data(withJSONObject: object, options: options) else { return "{}" }
    return String(decoding: data, as: UTF8.self)
  }
}

/// Counts durations with an error of one sixteenth, in a few hundred numbers.
struct Histogram {
  private var counts = [Int](repeating: 0, count: 16 * 60)
  private var total = 0

  mutating func record(microseconds: Int) {
    counts[Histogram.index(UInt64(max(microseconds, 0)))] += 1
    total += 1
  }

  /// The largest duration in microseconds of the bucket that holds this share; 0 without any.
  func percentile(_ share: Double) -> Int {
    var left = max(1, Int((Double(total) * share).rounded(.up)))
    for (index, count) in counts.enumerated() where count > 0 {
      left -= count
      if left <= 0 { return Histogram.largest(index) }
    }
    return 0
  }

  /// Below 16 each value has a bucket; above, each power of two has 16.
  private static func index(_ value: UInt64) -> Int {
    guard value >= 16 else { return Int(value) }
    let exponent = 63 - value.leadingZeroBitCount
    return 16 * (exponent - 3) + Int(value >> (exponent - 4) & 15)
  }

  private static func largest(_ index: Int) -> Int {
    guard index >= 16 else { return index }
    let shift = index / 16 - 1
    return (16 + index % 16 + 1) << shift - 1
  }
}
