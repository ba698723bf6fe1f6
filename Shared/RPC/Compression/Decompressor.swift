internal import CZlib

/// Decompresses whole messages, one after the other.
///
/// Sendable unchecked: a pool hands it to one caller at a time.
final class Decompressor: @unchecked Sendable {
  static let zlib = ZlibPool(idleMax: Limits.idleDecompressorsMax) { Decompressor(.zlib) }
  static let gzip = ZlibPool(idleMax: Limits.idleDecompressorsMax) { Decompressor(.gzip) }

  private let format: ZlibFormat
  /// zlib's state points back at the stream, so the stream has an address of its own.
  private let stream: UnsafeMutablePointer<z_stream>

  /// Nil when memory is short.
  init?(_ format: ZlibFormat) {
    self.format = format
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    guard inflateInit2_(stream, format.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
      stream.deallocate()
      return nil
    }
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  /// The output grows with what really comes out, up to `bytesMax`; what a gzip trailer claims is not believed.
  func decompress(_ bytes: [UInt8], bytesMax: Int) throws(DecompressionFailure) -> [UInt8] {
    defer { inflateReset(stream) }
    guard let count = UInt32(exactly: bytes.count) else { throw .tooLarge(bytesMax: bytesMax) }
    var output: [UInt8] = []
    var step = Step.more
    bytes.withUnsafeBufferPointer { input in
      stream.pointee.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
      stream.pointee.avail_in = count
      var room = min(max(Limits.decompressionBlockMin, bytes.count * Limits.decompressionRatioUsual), bytesMax)
      output.reserveCapacity(room)
      while step == .more {
        if output.count == room, room < bytesMax {
          room = room > bytesMax / 2 ? bytesMax : room * 2
          output.reserveCapacity(room)
        }
        step = output.count < room ? inflate(into: &output, adding: room - output.count) : probe()
      }
      stream.pointee.next_in = nil
    }
    switch step {
    case .done: return output
    case .overflows: throw .tooLarge(bytesMax: bytesMax)
    case .more, .malformed: throw .malformed
    case .outOfMemory: throw .outOfMemory
    }
  }

  private enum Step {
    /// The input is not used up and well-formed so far.
    case more
    case done
    case malformed
    case overflows
    case outOfMemory
  }

  /// Adds as many bytes to the output as there are, `room` at most.
  private func inflate(into output: inout [UInt8], adding room: Int) -> Step {
    let offered = UInt32(clamping: room)
    var code = Z_OK
    output.append(addingCapacity: Int(offered)) { (span: inout OutputSpan<UInt8>) in
      span.withUnsafeMutableBufferPointer { free, written in
        stream.pointee.next_out = free.baseAddress
        stream.pointee.avail_out = offered
        code = CZlib.inflate(stream, Z_NO_FLUSH)
        written = Int(offered - stream.pointee.avail_out)
      }
    }
    stream.pointee.next_out = nil
    return next(code, isFull: stream.pointee.avail_out == 0)
  }

  /// The output is as large as it may be: whether the message ends here shows with room for one byte more.
  private func probe() -> Step {
    var byte: UInt8 = 0
    let code = withUnsafeMutablePointer(to: &byte) { byte in
      stream.pointee.next_out = byte
      stream.pointee.avail_out = 1
      return CZlib.inflate(stream, Z_NO_FLUSH)
    }
    stream.pointee.next_out = nil
    guard stream.pointee.avail_out == 1 else { return .overflows }
    return next(code, isFull: false)
  }

  private func next(_ code: Int32, isFull: Bool) -> Step {
    switch code {
    case Z_STREAM_END:
      guard stream.pointee.avail_in > 0 else { return .done }
      // A gzip file is a series of members (RFC 1952, 2.2). Behind anything else, more bytes are garbage.
      guard format == .gzip, inflateReset(stream) == Z_OK else { return .malformed }
      return .more
    case Z_OK, Z_BUF_ERROR:
      // Room is left and the input is used up: it has been cut off.
      return isFull ? .more : .malformed
    case Z_MEM_ERROR: return .outOfMemory
    default: return .malformed  // Z_DATA_ERROR, and Z_NEED_DICT: gRPC has no dictionaries.
    }
  }
}
