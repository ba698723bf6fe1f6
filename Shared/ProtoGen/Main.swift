import Foundation

/// Turns what protoc says about `Proto/` into C (through protoc-gen-c) and Swift. `Proto/generate` runs it.
@main
struct ProtoGen {
  private static let usage = """
    usage: protogen c-request DESCRIPTOR_SET REQUEST      writes the request for protoc-gen-c
           protogen c-files RESPONSE FOLDER               writes the C files of its response
           protogen swift DESCRIPTOR_SET FOLDER           writes Swift, the header that exports the C to it, and the
                                                          descriptors of the files as C
    """

  static func main() {
    do {
      try run(Array(CommandLine.arguments.dropFirst()))
    } catch {
      FileHandle.standardError.write(Data("protogen: \(error)\n".utf8))
      exit(error is Usage ? 64 : 70)
    }
  }

  private struct Usage: Error, CustomStringConvertible {
    var description: String { ProtoGen.usage }
  }

  private static func run(_ arguments: [String]) throws {
    guard arguments.count == 3 else { throw Usage() }
    let input = [UInt8](try Data(contentsOf: URL(fileURLWithPath: arguments[1])))
    let output = URL(fileURLWithPath: arguments[2])
    switch arguments[0] {
    case "c-request": try Data(CRequest.encode(descriptorSet: input)).write(to: output)
    case "c-files": try write(CRequest.files(response: input), below: output)
    case "swift":
      try write(swiftFiles(Schema(descriptorSet: input)) + FileEmitter.files(descriptorSet: input), below: output)
    default: throw Usage()
    }
  }

  private static func swiftFiles(_ schema: Schema) throws -> [GeneratedFile] {
    var files = [CRequest.umbrella(schema), CRequest.moduleMap, namespaces(schema)]
    for file in schema.generatedFiles {
      let base = file.name.split(separator: "/").last?.dropLast(".proto".count) ?? ""
      let stem = "Messages/Generated/\(SwiftNames.namespace(file.package)).\(SwiftNames.upperCamel(String(base)))"
      files.append(GeneratedFile(path: "\(stem).Types.swift", content: try TypeEmitter(schema: schema).emit(file)))
      files.append(GeneratedFile(path: "\(stem).Wire.swift", content: try WireEmitter(schema: schema).emit(file)))
      if let content = try JSONEmitter(schema: schema).emit(file) {
        files.append(GeneratedFile(path: "\(stem).JSON.swift", content: content))
      }
      if let content = try ValidationEmitter(schema: schema).emit(file) {
        files.append(GeneratedFile(path: "\(stem).Rules.swift", content: content))
      }
    }
    return files + (try StubEmitter(schema: schema).files())
  }

  private static func namespaces(_ schema: Schema) -> GeneratedFile {
    var out = CodeWriter()
    let packages = Set(schema.generatedFiles.map(\.package)).sorted()
    for (index, package) in packages.enumerated() {
      if index > 0 { out.line() }
      out.doc(["The types of `\(package)`."])
      out.line("public enum \(SwiftNames.namespace(package)) {}")
    }
    return GeneratedFile(path: "Messages/Generated/Namespaces.swift", content: out.text)
  }

  private static func write(_ files: [GeneratedFile], below folder: URL) throws {
    for file in files where !file.content.isEmpty {
      let url = folder.appendingPathComponent(file.path)
      try FileManager.default.createDirectory(
        at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(file.content.utf8).write(to: url)
    }
  }
}
