internal import HTTP2
internal import Messages

/// A status and its company as trailing fields, and back.
enum StatusTrailers {
  /// The fields of a call that failed. With `isWholeAnswer` the head of the answer stands in front of them
  /// ("trailers-only").
  static func fields(of error: RPCError, isWholeAnswer: Bool, extra: Metadata = [:]) -> HeaderList {
    var fields = HeaderList()
    if isWholeAnswer {
      fields.append(":status", "200")
      fields.append("content-type", "application/grpc")
    }
    fields.append("grpc-status", String(error.code.rawValue))
    if !error.message.isEmpty { fields.append("grpc-message", StatusMessage.encode(error.message)) }
    if !error.details.isEmpty, let details = encodedDetails(error) {
      fields.append("grpc-status-details-bin", details)
    }
    switch error.pushback {
    case .never: fields.append("grpc-retry-pushback-ms", "-1")
    case .after(let pause): fields.append("grpc-retry-pushback-ms", String(max(pause.milliseconds, 0)))
    case nil: break
    }
    for metadata in [error.metadata, extra] where metadata.violation == nil {
      fields.append(contentsOf: metadata.fields)
    }
    return fields
  }

  /// The fields of a call that succeeded and has something to add.
  static func fields(ofSuccess metadata: Metadata) -> HeaderList {
    var fields = HeaderList([("grpc-status", "0")])
    fields.append(contentsOf: metadata.fields)
    return fields
  }

  private static func encodedDetails(_ error: RPCError) -> String? {
    var status = GoogleRPC.Status()
    status.code = Int32(error.code.rawValue)
    status.message = error.message
    status.details = error.details
    guard let bytes = try? status.serialized() else { return nil }
    let text = Metadata.unpadded(bytes)
    return text.utf8.count <= Limits.statusDetailsBytesMax ? text : nil
  }

  /// The status in `fields`; nil if they contain none.
  static func status(in fields: HeaderList) -> RPCError? {
    guard let number = fields.first("grpc-status") else { return nil }
    let code = Int(number).flatMap(StatusCode.init(rawValue:)) ?? .unknown
    let message = fields.first("grpc-message").map(StatusMessage.decode) ?? ""
    var error = RPCError(code, message, metadata: Metadata(received: fields))
    if code != .ok, let text = fields.first("grpc-status-details-bin"), let bytes = Base64.decode(text),
      let status = try? GoogleRPC.Status(serialized: bytes)
    {
      error.details = status.details
    }
    if let text = fields.first("grpc-retry-pushback-ms") {
      // Anything but a number of milliseconds means "never", by gRPC's retry design.
      error.pushback = Int64(text).flatMap { $0 >= 0 ? .after(.milliseconds($0)) : nil } ?? .never
    }
    return error
  }
}

extension Duration {
  /// Whole milliseconds, saturating.
  var milliseconds: Int64 {
    let (seconds, attoseconds) = components
    let (whole, overflowed) = seconds.multipliedReportingOverflow(by: 1_000)
    return overflowed ? (seconds > 0 ? .max : .min) : whole + attoseconds / 1_000_000_000_000_000
  }
}
