internal import CProtos

/// One of the proto files that this build was made from, as the proto compiler describes it.
public struct ProtoFile: Sendable {
  /// The path by which other files import it: `mobo/wallet/v1/wallet.proto`.
  public let name: String
  /// A serialized `google.protobuf.FileDescriptorProto` with its options, without comments.
  public let descriptor: [UInt8]

  /// Every file of `Proto/` and what they import, in an order where imports come first.
  public static func all() -> [ProtoFile] {
    var files: [ProtoFile] = []
    while let file = mobo_proto_file_at(files.count) {
      let bytes = UnsafeBufferPointer(start: file.pointee.bytes, count: file.pointee.size)
      files.append(ProtoFile(name: String(cString: file.pointee.name), descriptor: [UInt8](bytes)))
    }
    return files
  }
}
