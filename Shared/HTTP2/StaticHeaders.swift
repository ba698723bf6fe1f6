internal import CNghttp2

/// A header block that is sent again and again, prepared once.
///
/// nghttp2 reads it in place whenever a frame goes out, so the memory is never given back: make these only as
/// global constants.
public final class StaticHeaders: @unchecked Sendable {  // The memory is written in `init` and only read afterwards.
  let entries: UnsafePointer<nghttp2_nv>
  let count: Int

  public init(_ fields: [(String, String)]) {
    let entries = UnsafeMutablePointer<nghttp2_nv>.allocate(capacity: max(fields.count, 1))
    let flags = UInt8(NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)
    for (position, field) in fields.enumerated() {
      let name = StaticHeaders.immortal(field.0)
      let value = StaticHeaders.immortal(field.1)
      entries.advanced(by: position).initialize(
        to: nghttp2_nv(name: name.0, value: value.0, namelen: name.1, valuelen: value.1, flags: flags))
    }
    self.entries = UnsafePointer(entries)
    count = fields.count
  }

  private static func immortal(_ text: String) -> (UnsafeMutablePointer<UInt8>, Int) {
    let bytes = Array(text.utf8)
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count + 1)
    memory.initialize(from: bytes + [0], count: bytes.count + 1)
    return (memory, bytes.count)
  }
}
