/// How a message's bytes are compressed (`grpc-encoding`). Each message is compressed by itself.
public enum MessageEncoding: String, CaseIterable, Sendable {
  /// Not at all.
  case identity
  /// The zlib format (RFC 1950); gRPC, as HTTP, calls it "deflate".
  case deflate
  /// RFC 1952.
  case gzip

  /// Everything that this side understands, as `grpc-accept-encoding` lists it.
  public static let accepted = "identity,deflate,gzip"

  /// By the bytes of a `grpc-encoding` field; nil for an encoding that is not understood here.
  init?(wire name: some Collection<UInt8>) {
    for encoding in MessageEncoding.allCases where name.elementsEqual(encoding.rawValue.utf8) {
      self = encoding
      return
    }
    return nil
  }

  /// True if a `grpc-accept-encoding` value names this encoding. Everybody takes identity, said or not.
  func isAccepted(by list: String) -> Bool {
    self == .identity
      || list.utf8.split(separator: UInt8(ascii: ",")).contains { item in
        item.drop { $0 == UInt8(ascii: " ") }.prefix { $0 != UInt8(ascii: " ") }.elementsEqual(rawValue.utf8)
      }
  }
}

extension MessageEncoding {
  /// The message as it travels. Throws only when memory is short or the message is beyond what zlib counts (4 GiB).
  func compress(_ bytes: [UInt8]) throws(CompressionFailure) -> [UInt8] {
    switch self {
    case .identity: bytes
    case .deflate: try Compressor.zlib.with { stream throws(CompressionFailure) in try stream.compress(bytes) }
    case .gzip: try Compressor.gzip.with { stream throws(CompressionFailure) in try stream.compress(bytes) }
    }
  }

  /// The message that travelled as `bytes`.
  ///
  /// - Parameter bytesMax: what the message may measure. Nothing beyond it is ever allocated, whatever the bytes claim
  ///   or expand to.
  func decompress(_ bytes: some Sequence<UInt8>, bytesMax: Int) throws(DecompressionFailure) -> [UInt8] {
    let whole = Array(bytes)  // Of an array this is the array itself.
    switch self {
    case .identity:
      guard whole.count <= bytesMax else { throw .tooLarge(bytesMax: bytesMax) }
      return whole
    case .deflate:
      return try Decompressor.zlib.with { stream throws(DecompressionFailure) in
        try stream.decompress(whole, bytesMax: bytesMax)
      }
    case .gzip:
      return try Decompressor.gzip.with { stream throws(DecompressionFailure) in
        try stream.decompress(whole, bytesMax: bytesMax)
      }
    }
  }
}

/// A message could not be compressed.
enum CompressionFailure: Error, Hashable {
  case outOfMemory
  /// zlib counts in 32 bits.
  case tooLarge
}

/// A compressed message could not be read.
enum DecompressionFailure: Error, Hashable {
  /// It expands beyond the limit.
  case tooLarge(bytesMax: Int)
  /// It is not what its encoding says, is cut off, or is followed by something else.
  case malformed
  case outOfMemory
}

extension RPCError {
  init(_ failure: DecompressionFailure) {
    switch failure {
    case .tooLarge(let bytesMax):
      self.init(.resourceExhausted, "a message exceeds the limit of \(bytesMax) bytes once decompressed")
    case .malformed: self.init(.internal, "a compressed message is malformed")
    case .outOfMemory: self.init(.resourceExhausted, "no memory to decompress a message")
    }
  }

  init(_ failure: CompressionFailure) {
    switch failure {
    case .outOfMemory: self.init(.resourceExhausted, "no memory to compress a message")
    case .tooLarge: self.init(.resourceExhausted, "a message is too large to be compressed")
    }
  }
}
