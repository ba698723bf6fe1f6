#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// Why a file could not be read, in the words of the system.
struct FileProblem: Error, CustomStringConvertible {
  let description: String
}

/// Whole files that are known to be small.
enum SmallFile {
  /// Fails on a file longer than `bytesMax` instead of cutting it.
  static func read(_ path: String, bytesMax: Int) throws(FileProblem) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileProblem(description: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while bytes.count <= bytesMax {
      let count = chunk.withUnsafeMutableBytes { buffer in Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
      if count == 0 { return bytes }
      if count < 0 {
        if errno == EINTR { continue }
        throw FileProblem(description: String(cString: strerror(errno)))
      }
      bytes += chunk[..<count]
    }
    throw FileProblem(description: "the file is longer than \(bytesMax) bytes")
  }
}
