import Foundation

enum StandardError {
  /// One line, whole.
  static func write(_ line: String) {
    FileHandle.standardError.write(Data((line + "\n").utf8))
  }
}
