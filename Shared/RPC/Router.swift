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
      precondition(find(path[...]) == nil, "a method is bound once: \(method.descriptor.path)")
      var place = Router.hash(path[...]) & mask
      while table[place] >= 0 { place = (place + 1) & mask }
      table[place] = Int32(entries.count)
      entries.append(Entry(path: path, method: method))
    }
  }

  func find(_ path: ArraySlice<UInt8>) -> BoundMethod? {
    var place = Router.hash(path) & mask
    while table[place] >= 0 {
      let entry = entries[Int(table[place])]
      if entry.path.elementsEqual(path) { return entry.method }
      place = (place + 1) & mask
    }
    return nil
  }

  /// FNV-1a.
  private static func hash(_ path: ArraySlice<UInt8>) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in path { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return Int(truncatingIfNeeded: hash >> 8)
  }
}
