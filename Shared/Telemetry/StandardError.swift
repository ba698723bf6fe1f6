import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Standard error of the process. Lines of concurrent writers never mix.
public struct StandardErrorSink: LogSink {
  // A pipe keeps writes of up to PIPE_BUF bytes apart, longer ones it may interleave: hence the lock.
  private static let lock = Mutex(())

  public init() {}

  public func write(_ line: [UInt8]) {
    Self.lock.withLock { _ in
      line.withUnsafeBytes { buffer in
        var rest = buffer[...]
        while !rest.isEmpty {
          let count = Glibc.write(STDERR_FILENO, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
          if count < 0, errno == EINTR { continue }
          guard count > 0 else { return }  // Nobody reads any more; there is nowhere to say so.
          rest = rest.dropFirst(count)
        }
      }
    }
  }
}
