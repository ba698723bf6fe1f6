internal import CNghttp2

/// The error codes of HTTP/2 (RFC 9113, 7) that mean something here; others keep their number.
public struct HTTP2ErrorCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  public let rawValue: UInt32

  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  public static let noError = HTTP2ErrorCode(rawValue: 0x0)
  public static let protocolError = HTTP2ErrorCode(rawValue: 0x1)
  public static let internalError = HTTP2ErrorCode(rawValue: 0x2)
  public static let streamClosed = HTTP2ErrorCode(rawValue: 0x5)
  public static let refusedStream = HTTP2ErrorCode(rawValue: 0x7)
  public static let cancel = HTTP2ErrorCode(rawValue: 0x8)
  public static let enhanceYourCalm = HTTP2ErrorCode(rawValue: 0xB)
  public static let inadequateSecurity = HTTP2ErrorCode(rawValue: 0xC)

  public var description: String { String(cString: nghttp2_http2_strerror(rawValue)) }
}

/// Why an engine cannot go on with what it was asked.
public enum HTTP2Failure: Error, Hashable, Sendable, CustomStringConvertible {
  /// nghttp2 gave up on the connection.
  case library(code: Int32)
  /// No further stream can be opened on this connection: its ids are used up or it is being closed.
  case streamsExhausted
  /// A header block that is too large to be sent at all.
  case headersTooLarge(bytes: Int)

  public var description: String {
    switch self {
    case .library(let code): String(cString: nghttp2_strerror(code))
    case .streamsExhausted: "no further stream can be opened on this connection"
    case .headersTooLarge(let bytes): "a header block of \(bytes) bytes is too large to be sent"
    }
  }
}
