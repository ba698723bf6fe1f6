import Messages
import Testing

@Suite struct ProtoFileTests {
  @Test("the files of this build name themselves, and imports come before those that import them")
  func order() {
    let files = ProtoFile.all()
    var seen: Set<String> = []
    for file in files {
      let (name, imports) = Self.head(file.descriptor)
      #expect(name == file.name)
      #expect(imports.allSatisfy(seen.contains), "\(name) comes before one of \(imports)")
      #expect(seen.insert(name).inserted)
    }
    #expect(seen.isSuperset(of: ["mobo/wallet/v1/wallet_service.proto", "google/protobuf/descriptor.proto"]))
  }

  @Test("public protos are taken as they come: their texts are not trimmed")
  func publicTexts() throws {
    let status = GoogleRPC.Status(message: "\t spaces \n")
    #expect(try status.validated().message == "\t spaces \n")
  }

  /// Fields 1 (name) and 3 (dependency) of a FileDescriptorProto; both stand in front of everything else.
  private static func head(_ bytes: [UInt8]) -> (name: String, imports: [String]) {
    var names: [UInt8: [String]] = [:]
    var position = 0
    while position + 1 < bytes.count, bytes[position] == 0x0A || bytes[position] == 0x12 || bytes[position] == 0x1A {
      let length = Int(bytes[position + 1])
      let text = String(decoding: bytes[position + 2..<position + 2 + length], as: UTF8.self)
      names[bytes[position] >> 3, default: []].append(text)
      position += 2 + length
    }
    return (names[1]?.first ?? "", names[3] ?? [])
  }
}
