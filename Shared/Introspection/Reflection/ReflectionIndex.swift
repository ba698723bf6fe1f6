internal import Messages
internal import RPC

/// A question of `grpc.reflection`, whatever its version.
enum ReflectionQuestion: Equatable {
  case fileByName(String)
  case fileContainingSymbol(String)
  case fileContainingExtension(type: String, number: Int32)
  case extensionNumbers(type: String)
  case services
  /// Nothing that this version of the protocol knows.
  case unknown
}

/// Its answer.
enum ReflectionAnswer: Equatable {
  /// Serialized descriptors: the file that was asked for, then everything it imports.
  case files([[UInt8]])
  case extensionNumbers(type: String, [Int32])
  case services([String])
  case refusal(StatusCode, String)
}

/// The protos of the services of one process, ready for questions. Never changes.
struct ReflectionIndex: Sendable {
  private struct File: Sendable {
    let descriptor: [UInt8]
    let imports: [String]
  }

  private struct ExtensionKey: Hashable {
    let type: String
    let number: Int32
  }

  /// Full names, sorted.
  let services: [String]
  private var files: [String: File] = [:]
  private var fileOfSymbol: [String: String] = [:]
  private var fileOfExtension: [ExtensionKey: String] = [:]
  /// Of every message, also of those that nobody extends.
  private var extensionNumbers: [String: [Int32]] = [:]

  /// - Parameters:
  ///   - services: the full names of the process's services. Others' files are left out, unless these import them.
  ///   - protos: where to look for them.
  init(services: [String], protos: [ProtoFile]) {
    self.services = services.sorted()
    let described = Dictionary(
      protos.map { ($0.name, DescribedFile($0)) }, uniquingKeysWith: { first, _ in first })
    let wanted = Set(services)
    let roots = described.values.filter { file in file.symbols.contains(where: wanted.contains) }.map(\.name)
    for name in Self.closure(of: roots.sorted(), imports: { described[$0]?.imports ?? [] }) {
      if let file = described[name] { add(file) }
    }
  }

  private mutating func add(_ file: DescribedFile) {
    files[file.name] = File(descriptor: file.descriptor, imports: file.imports)
    for symbol in file.symbols { fileOfSymbol[symbol] = file.name }
    for message in file.messages { extensionNumbers[message, default: []] += [] }
    for one in file.extensions {
      fileOfExtension[ExtensionKey(type: one.extendee, number: one.number)] = file.name
      extensionNumbers[one.extendee, default: []].append(one.number)
      extensionNumbers[one.extendee]?.sort()
    }
  }

  /// These files and everything they import, each once: a file comes before its imports.
  private static func closure(of names: [String], imports: (String) -> [String]) -> [String] {
    var found = names
    var seen = Set(names)
    var next = 0
    while next < found.count {
      found += imports(found[next]).filter { seen.insert($0).inserted }
      next += 1
    }
    return found
  }

  func answer(_ question: ReflectionQuestion) -> ReflectionAnswer {
    switch question {
    case .fileByName(let name):
      return answer(file: files[name].map { _ in name }, "there is no file of that name")
    case .fileContainingSymbol(let symbol):
      return answer(file: fileOfSymbol[symbol], "nothing here has that name")
    case .fileContainingExtension(let type, let number):
      return answer(file: fileOfExtension[ExtensionKey(type: type, number: number)], "there is no such extension")
    case .extensionNumbers(let type):
      guard let numbers = extensionNumbers[type] else { return .refusal(.notFound, "there is no such message") }
      return .extensionNumbers(type: type, numbers)
    case .services: return .services(services)
    case .unknown: return .refusal(.invalidArgument, "the request asks for nothing that is known here")
    }
  }

  private func answer(file name: String?, _ refusal: String) -> ReflectionAnswer {
    guard let name else { return .refusal(.notFound, refusal) }
    let names = Self.closure(of: [name]) { files[$0]?.imports ?? [] }
    return .files(names.compactMap { files[$0]?.descriptor })
  }
}
