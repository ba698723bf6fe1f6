import Kernel

#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the system said about a file.
public struct FileProblem: Error, CustomStringConvertible {
  public let description: String

  init(_ description: String) {
    self.description = description
  }

  static var last: FileProblem { FileProblem(String(cString: strerror(errno))) }
}

/// Small files that only their owner may read.
public enum PrivateFile {
  private static let bytesMax = 65_536

  public static func exists(_ path: String) throws(FileProblem) -> Bool {
    if access(path, F_OK) == 0 { return true }
    guard errno == ENOENT else { throw .last }
    return false
  }

  public static func read(_ path: String) throws(FileProblem) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw .last }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: bytesMax + 1)
    var count = 0
    while count < bytes.count {
      let got = bytes[count...].withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw .last }
      guard got > 0 else { return Array(bytes[..<count]) }
      count += got
    }
    throw FileProblem("the file is longer than \(bytesMax) bytes")
  }

  /// Writes all of `bytes` to `path`, or nothing. A file that somebody else created meanwhile stays as it is.
  public static func create(_ path: String, in directory: String, _ bytes: [UInt8]) throws(FileProblem) {
    let draft = try draft(of: path, in: directory, bytes)
    defer { unlink(draft) }
    // A link appears with its whole content, and fails where a rename would replace.
    guard link(draft, path) == 0 || errno == EEXIST else { throw .last }
  }

  /// Writes all of `bytes` to `path` in the place of what was there, or nothing.
  public static func replace(_ path: String, in directory: String, _ bytes: [UInt8]) throws(FileProblem) {
    let draft = try draft(of: path, in: directory, bytes)
    guard rename(draft, path) == 0 else {
      let problem = FileProblem.last
      unlink(draft)
      throw problem
    }
  }

  /// A file beside `path` with all of `bytes`, on the disk.
  private static func draft(of path: String, in directory: String, _ bytes: [UInt8]) throws(FileProblem) -> String {
    try makeDirectories(directory)
    let draft = "\(path).\(getpid()).\(UInt32.random(in: .min ... .max))"
    let descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .last }
    defer { close(descriptor) }
    do throws(FileProblem) {
      try write(bytes, to: descriptor)
    } catch {
      unlink(draft)
      throw error
    }
    return draft
  }

  private static func write(_ bytes: [UInt8], to descriptor: Int32) throws(FileProblem) {
    var written = 0
    while written < bytes.count {
      let count = bytes[written...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .last }
      written += count
    }
    guard fsync(descriptor) == 0 else { throw .last }
  }

  private static func makeDirectories(_ path: String) throws(FileProblem) {
    var partial = path.hasPrefix("/") ? "/" : ""
    for component in path.split(separator: "/") {
      partial += component
      guard mkdir(partial, 0o700) == 0 || errno == EEXIST else { throw .last }
      partial += "/"
    }
  }
}
