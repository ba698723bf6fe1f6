internal import Synchronization

/// Streams of zlib that wait for their next message: making one costs more than using it (a compressor is 268 KB).
///
/// A stream belongs to one caller while a message passes through it and comes back ready for the next one, whatever
/// happened. Only a few are kept; the others are freed.
final class ZlibPool<Stream: AnyObject & Sendable>: Sendable {
  private let idle = Mutex<[Stream]>([])
  private let idleMax: Int
  private let make: @Sendable () -> Stream?

  init(idleMax: Int, make: @escaping @Sendable () -> Stream?) {
    self.idleMax = idleMax
    self.make = make
  }

  /// How many wait. For tests.
  var idleCount: Int { idle.withLock { $0.count } }

  func with<Failure: Error & OutOfMemory, Result>(
    _ body: (Stream) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    guard let stream = idle.withLock({ $0.popLast() }) ?? make() else { throw Failure.outOfMemory }
    defer {
      idle.withLock { idle in
        if idle.count < idleMax { idle.append(stream) }
      }
    }
    return try body(stream)
  }
}

/// A failure that can say that memory is short.
protocol OutOfMemory {
  static var outOfMemory: Self { get }
}

extension CompressionFailure: OutOfMemory {}
extension DecompressionFailure: OutOfMemory {}

extension Limits {
  /// Idle compressors kept per format: as many as messages are compressed at once on a machine of four cores, at
  /// 268 KB each.
  static let idleCompressorsMax = 4

  /// Idle decompressors kept per format, at 40 KB each.
  static let idleDecompressorsMax = 8

  /// The first block of a message that is being decompressed, at least; it doubles up to the message limit.
  static let decompressionBlockMin = 4 << 10

  /// The first block of a message as a multiple of its compressed bytes: usual messages fit at once.
  static let decompressionRatioUsual = 4
}
