/// Counts how the calls of each address end, and says from time to time which addresses are left out (gRFC A50).
struct OutlierDetector {
  private struct Host {
    var successes = 0
    var failures = 0
    /// How often it was ejected lately: each time makes the next ejection longer, each good interval shorter.
    var multiplier = 0
    var ejectedAt: ContinuousClock.Instant?
  }

  let rules: OutlierDetection
  private var hosts: [SubchannelID: Host] = [:]
  private let chance: () -> Int

  /// `chance` is asked for numbers from 0 to 99.
  init(rules: OutlierDetection, chance: @escaping () -> Int = { .random(in: 0..<100) }) {
    self.rules = rules
    self.chance = chance
  }

  func isEjected(_ id: SubchannelID) -> Bool { hosts[id]?.ejectedAt != nil }

  mutating func update(_ subchannels: [SubchannelID]) {
    let known = hosts
    hosts = Dictionary(subchannels.map { ($0, known[$0] ?? Host()) }, uniquingKeysWith: { first, _ in first })
  }

  mutating func record(_ id: SubchannelID, succeeded: Bool) {
    if succeeded { hosts[id]?.successes += 1 } else { hosts[id]?.failures += 1 }
  }

  /// Compares the addresses by the calls of the interval that ends now. Returns those that are now ejected or no
  /// longer are.
  mutating func sweep(now: ContinuousClock.Instant) -> [SubchannelID] {
    let before = ejected
    if let rule = rules.successRate { applySuccessRate(rule, now) }
    if let rule = rules.failurePercentage { applyFailurePercentage(rule, now) }
    for (id, host) in hosts {
      if let since = host.ejectedAt {
        let longest = max(rules.baseEjectionTime, rules.maxEjectionTime)
        if now >= since + min(rules.baseEjectionTime * host.multiplier, longest), since < now {
          hosts[id]?.ejectedAt = nil
        }
      } else if host.multiplier > 0 {
        hosts[id]?.multiplier -= 1
      }
      hosts[id]?.successes = 0
      hosts[id]?.failures = 0
    }
    return Array(before.symmetricDifference(ejected)).sorted { $0.number < $1.number }
  }

  private var ejected: Set<SubchannelID> { Set(hosts.filter { $0.value.ejectedAt != nil }.keys) }

  /// Addresses with enough calls to be judged, in a fixed order.
  private func judged(_ callsMin: Int) -> [(id: SubchannelID, host: Host)] {
    hosts.filter { $0.value.successes + $0.value.failures >= max(callsMin, 1) }
      .map { (id: $0.key, host: $0.value) }.sorted { $0.id.number < $1.id.number }
  }

  private mutating func applySuccessRate(_ rule: OutlierDetection.SuccessRate, _ now: ContinuousClock.Instant) {
    let judged = judged(rule.callsMin)
    guard judged.count >= max(rule.hostsMin, 1) else { return }
    let rates = judged.map { Double($0.host.successes) / Double($0.host.successes + $0.host.failures) }
    let mean = rates.reduce(0, +) / Double(rates.count)
    let variance = rates.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rates.count)
    let least = mean - variance.squareRoot() * Double(rule.deviationMilli) / 1_000
    for (entry, rate) in zip(judged, rates) where rate < least {
      guard mayEject else { return }
      if chance() < rule.enforcementPercent { eject(entry.id, now) }
    }
  }

  private mutating func applyFailurePercentage(
    _ rule: OutlierDetection.FailurePercentage, _ now: ContinuousClock.Instant
  ) {
    let judged = judged(rule.callsMin)
    guard judged.count >= max(rule.hostsMin, 1) else { return }
    for entry in judged {
      let percent = 100 * entry.host.failures / (entry.host.successes + entry.host.failures)
      guard percent > rule.thresholdPercent, hosts[entry.id]?.ejectedAt == nil else { continue }
      guard mayEject else { return }
      if chance() < rule.enforcementPercent { eject(entry.id, now) }
    }
  }

  private var mayEject: Bool { 100 * ejected.count < rules.maxEjectionPercent * hosts.count }

  private mutating func eject(_ id: SubchannelID, _ now: ContinuousClock.Instant) {
    guard hosts[id]?.ejectedAt == nil else { return }
    hosts[id]?.ejectedAt = now
    hosts[id]?.multiplier += 1
  }
}

extension StatusCode {
  /// Says something about the host that sent it, or did not.
  var isHostFailure: Bool {
    switch self {
    case .unavailable, .deadlineExceeded, .internal, .unknown, .dataLoss, .resourceExhausted: true
    case .ok, .cancelled, .invalidArgument, .notFound, .alreadyExists, .permissionDenied, .failedPrecondition,
      .aborted, .outOfRange, .unimplemented, .unauthenticated:
      false
    }
  }
}
