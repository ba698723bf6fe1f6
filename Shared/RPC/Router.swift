internal import HTTP2

/// Finds a method by the bytes of its path, without making a string of them.
///
/// An open-addressed table, filled once and at most half full; paths come from descriptors, so nobody can aim at
/// its collisions.
struct Router: Sendable {
  private struct Entry: Sendable {
    let path: [UInt8]
    let method: BoundMethod
  }

  private var table: [Int32]
  private var entries: [Entry] = []
  private let mask: Int

  init(_ services: [any ServiceBinding]) {
    let methods = services.flatMap(\.methods)
    var size = 16
    while size < methods.count * 2 { size *= 2 }
    table = Array(repeating: -1, count: size)
    mask = size - 1
    for method in methods {
      let path = Array(method.descriptor.path.utf8)
      let text = HeaderList([(":path", method.descriptor.path)])
      let value = text.bytes.count - path.count..<text.bytes.count
      precondition(find(text, value) == nil, "a method is bound once: \(method.descriptor.path)")
      var place = Router.hash(text.bytes, value) & mask
      while table[place] >= 0 { place = (place + 1) & mask }
      table[place] = Int32(entries.count)
      entries.append(Entry(path: path, method: method))
    }
  }

  /// The method whose path is the value of a field.
  func find(_ headers: HeaderList, _ value: Range<Int>) -> BoundMethod? {
    var place = Router.hash(headers.bytes, value) & mask
    while table[place] >= 0 {
      let number = Int(table[place])
      if headers.matches(value, entries[number].path) { return entries[number].method }
      place = (place + 1) & mask
    }
    return nil
  }

  /// FNV-1a.
  private static func hash(_ bytes: [UInt8], _ range: Range<Int>) -> Int {
    bytes.withUnsafeBufferPointer { bytes in
      var hash: UInt64 = 0xCBF2_9CE4_8422_2325
      for position in range { hash = (hash ^ UInt64(bytes[position])) &* 0x100_0000_01B3 }
      return Int(truncatingIfNeeded: hash >> 8)
    }
  }
}
