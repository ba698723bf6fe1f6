import Kernel
import Mongo

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A document like those of the ledger: nine fields, among them an array and a document.
struct Row {
  var id: ObjectID
  var owner: ObjectID
  var type: String
  var amount: Int64
  var version: Int64
  var createdAt: Timestamp
  var memo: Bool
  var roles: [String]
  var order: ObjectID
  var seq: Int64

  static let sample = Row(
    id: ObjectID("0123456789abcdef01234567")!, owner: ObjectID("89abcdef0123456789abcdef")!,
    type: "commission_settle", amount: 123_456, version: 42, createdAt: Timestamp(milliseconds: 1_767_225_600_000),
    memo: false, roles: ["shopper", "mediator"], order: ObjectID("fedcba9876543210fedcba98")!, seq: 3)

  var document: BSONDocument {
    BSONDocument(capacity: 256) { document in
      document.append("_id", id)
      document.append("ownerUserId", owner)
      document.append("type", type)
      document.append("amountPaise", amount)
      document.append("version", version)
      document.append("createdAt", createdAt)
      document.append("memo", memo)
      document.append("roles", strings: roles)
      document.append("reference") { reference in
        reference.append("orderId", order)
        reference.append("seq", seq)
      }
    }
  }
}

extension Row {
  init(_ document: BSONDocument) throws {
    let reference = try document.document("reference")
    self.init(
      id: try document.objectID("_id"), owner: try document.objectID("ownerUserId"),
      type: try document.string("type"), amount: try document.int64("amountPaise"),
      version: try document.int64("version"), createdAt: try document.datetime("createdAt"),
      memo: try document.bool("memo"), roles: try document.strings("roles"),
      order: try reference.objectID("orderId"), seq: try reference.int64("seq"))
  }
}

/// Writes and reads the row so many times and prints nanoseconds of CPU time for each, as one line of JSON.
@main
enum BenchBSON {
  static func main() throws {
    guard CommandLine.arguments.count == 2, let count = Int(CommandLine.arguments[1]), count > 0 else {
      print("usage: bench-bson COUNT")
      exit(64)
    }
    var bytes = 0
    let write = nanoseconds(count) { bytes &+= Row.sample.document.bytes.count }
    let document = Row.sample.document
    var sum: Int64 = 0
    let read = try nanoseconds(count) { sum &+= try Row(document).amount }
    let check = try nanoseconds(count) { bytes &+= try BSONDocument(validating: document.bytes).bytes.count }
    // What was computed is used, so that none of it can be left out.
    guard sum == Int64(count) &* Row.sample.amount, bytes == 2 &* count &* document.bytes.count else { exit(70) }
    print("{\"bytes\":\(document.bytes.count),\"write\":\(write),\"read\":\(read),\"check\":\(check)}")
  }

  private static func nanoseconds(_ count: Int, _ body: () throws -> Void) rethrows -> Double {
    let begun = processorTime()
    for _ in 0..<count { try body() }
    return Double(processorTime() - begun) / Double(count)
  }

  private static func processorTime() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return time.tv_sec * 1_000_000_000 + time.tv_nsec
  }
}
