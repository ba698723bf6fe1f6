import ArgumentParser

/// `mobo migrate`: the migrations of all services, each run by its own executable.
struct Migrate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Shows or runs the migrations of every service.",
    discussion: """
      A service migrates its own database only. status, plan, verify and drift ask all of them and print one table; \
      up, down and users go from one to the next and stop at a failure.
      Exit codes: 0 fine; 10 pending or unfinished, 11 changed after it was applied, 12 drifted, 13 locked by another \
      runner, 14 refused; 64 usage, 69 database, 70 internal, 78 configuration. Of several the gravest is told. \
      status and plan speak by exit code only with --exit-code.
      """)

  @Argument(help: "status, plan, up, down, verify, drift or users.")
  var action: Action

  @Option(name: .long, help: "Stop at this migration id; needs one --service.")
  var to: String?

  @Flag(name: .long, help: "up, down, users: only print what would be done.")
  var dryRun = false

  @Flag(name: .long, help: "up, down: end with 13 at once while another runner works.")
  var noWait = false

  @Option(name: .long, help: "up, down: documents that backfills look at per second.")
  var pace: Int?

  @Flag(name: .long, help: "status, plan: tell by exit code too.")
  var exitCode = false

  @OptionGroup var selection: ServiceSelection

  enum Action: String, ExpressibleByArgument, CaseIterable {
    case status, plan, up, down, verify, drift, users

    /// The columns of the table, for those that only look.
    var columns: [String]? {
      switch self {
      case .status: ["MIGRATION", "STATE", "SINCE", "DESCRIPTION"]
      case .plan: ["MIGRATION", "DIRECTION", "COMMAND"]
      case .verify, .drift: ["PROBLEM", "WHERE", "DETAIL"]
      case .up, .down, .users: nil
      }
    }

    var takesPace: Bool { self == .up || self == .down }
    var takesDryRun: Bool { takesPace || self == .users }
    var takesTarget: Bool { takesPace || self == .plan }
    var takesExitCode: Bool { self == .status || self == .plan }
  }

  func validate() throws {
    guard to == nil || selection.service.count == 1 else {
      throw ValidationError("--to needs exactly one --service, because ids are per service")
    }
    guard action != .down || to != nil else {
      throw ValidationError("down needs --to and --service: say how far back")
    }
    let given: [(String, Bool, Bool)] = [
      ("--to", to != nil, action.takesTarget), ("--dry-run", dryRun, action.takesDryRun),
      ("--no-wait", noWait, action.takesPace), ("--pace", pace != nil, action.takesPace),
      ("--exit-code", exitCode, action.takesExitCode),
    ]
    for (option, isGiven, isTaken) in given where isGiven && !isTaken {
      throw ValidationError("\(option) means nothing to \(action.rawValue)")
    }
  }

  func run() throws {
    var arguments = ["migrate", action.rawValue]
    if let to { arguments += ["--to", to] }
    if dryRun { arguments.append("--dry-run") }
    if noWait { arguments.append("--no-wait") }
    if let pace { arguments += ["--pace", "\(pace)"] }
    if exitCode { arguments.append("--exit-code") }
    if let columns = action.columns {
      try table(columns, arguments + ["--tsv"])
    } else {
      try selection.runEach(arguments)
    }
  }

  private func table(_ columns: [String], _ arguments: [String]) throws {
    var rows = [["SERVICE"] + columns]
    var codes: [Int32] = []
    for name in selection.names {
      let (code, output) = try outputOfService(name, arguments, configurationFolder: selection.configuration)
      codes.append(code)
      let found = output.split(separator: "\n").map { line in
        [name] + line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
      }
      rows += found.isEmpty ? [[name, code == 0 ? "nothing" : "failed with \(code)"]] : found
    }
    print(TextTable.aligned(rows))
    if let gravest = codes.max(by: { Self.gravity($0) < Self.gravity($1) }), gravest != 0 { throw ExitCode(gravest) }
  }

  /// What keeps us from knowing is graver than what we know; then what nobody may go on with.
  private static func gravity(_ code: Int32) -> Int {
    switch code {
    case 0: 0
    case 10: 1
    case 13: 2
    case 14: 3
    case 12: 4
    case 11: 5
    default: 6
    }
  }
}

enum TextTable {
  /// Columns two spaces apart; the last one is not padded.
  static func aligned(_ rows: [[String]]) -> String {
    let count = rows.map(\.count).max() ?? 0
    let widths = (0..<count).map { column in
      rows.filter { $0.count > column + 1 }.map { $0[column].count }.max() ?? 0
    }
    return rows.map { row in
      row.enumerated().map { column, cell in
        guard column + 1 < row.count else { return cell }
        return cell + String(repeating: " ", count: widths[column] - cell.count + 2)
      }.joined()
    }.joined(separator: "\n")
  }
}
