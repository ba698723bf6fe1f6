internal import CZlib

/// Compresses whole messages, one after the other.
///
/// Sendable unchecked: a pool hands it to one caller at a time.
final class Compressor: @unchecked Sendable {
  static let zlib = ZlibPool(idleMax: Limits.idleCompressorsMax) { Compressor(.zlib) }
  static let gzip = ZlibPool(idleMax: Limits.idleCompressorsMax) { Compressor(.gzip) }

  /// zlib's state points back at the stream, so the stream has an address of its own.
  private let stream: UnsafeMutablePointer<z_stream>

  /// Nil when memory is short.
  init?(_ format: ZlibFormat) {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    let code = deflateInit2_(
      stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, format.windowBits, Compressor.memoryLevel, Z_DEFAULT_STRATEGY,
      ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    guard code == Z_OK else {
      stream.deallocate()
      return nil
    }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  func compress(_ bytes: [UInt8]) throws(CompressionFailure) -> [UInt8] {
    defer { deflateReset(stream) }
    guard let count = UInt32(exactly: bytes.count) else { throw .tooLarge }
    // With room for the worst case one call does it all.
    guard let room = UInt32(exactly: deflateBound(stream, uLong(count))) else { throw .tooLarge }
    var code = Z_OK
    let compressed = [UInt8](unsafeUninitializedCapacity: Int(room)) { output, written in
      bytes.withUnsafeBufferPointer { input in
        // zlib does not write to its input, but its interface of 1995 has no const.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
        stream.pointee.avail_in = count
        stream.pointee.next_out = output.baseAddress
        stream.pointee.avail_out = room
        code = deflate(stream, Z_FINISH)
        written = Int(room - stream.pointee.avail_out)
        stream.pointee.next_in = nil
        stream.pointee.next_out = nil
      }
    }
    guard code == Z_STREAM_END else { throw .outOfMemory }
    return compressed
  }

  /// zlib's own default.
  private static let memoryLevel: Int32 = 8
}

/// What stands around the deflated bytes.
enum ZlibFormat {
  /// RFC 1950.
  case zlib
  /// RFC 1952.
  case gzip

  /// The largest window, which every peer must take; 16 more ask zlib for gzip.
  var windowBits: Int32 {
    switch self {
    case .zlib: 15
    case .gzip: 15 + 16
    }
  }
}
