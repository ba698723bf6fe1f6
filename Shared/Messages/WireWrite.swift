internal import CProtobufC

// From Swift values to the C structs of protobuf-c, inside an arena.

extension Arena {
  func message<M: WireMessage>(_ message: M?) -> UnsafeMutablePointer<M.CStruct>? {
    guard let message else { return nil }
    let filled = make(M.CStruct.self)
    message.fill(filled, self)
    return filled
  }

  func messages<M: WireMessage>(_ messages: [M]) -> UnsafeMutablePointer<UnsafeMutablePointer<M.CStruct>?>? {
    list(messages) { message($0) }
  }

  func binaries(_ texts: [String]) -> UnsafeMutablePointer<ProtobufCBinaryData>? {
    list(texts) { binary($0) }
  }

  func binaries(_ arrays: [[UInt8]]) -> UnsafeMutablePointer<ProtobufCBinaryData>? {
    list(arrays) { binary($0) }
  }

  func numbers<T>(_ numbers: [T]) -> UnsafeMutablePointer<T>? {
    list(numbers) { $0 }
  }

  func bools(_ bools: [Bool]) -> UnsafeMutablePointer<protobuf_c_boolean>? {
    list(bools) { $0 ? 1 : 0 }
  }

  func enumerations<E: ProtoEnum, C: RawRepresentable<UInt32>>(_ values: [E]) -> UnsafeMutablePointer<C>? {
    list(values) { WireWrite.enumeration($0) }
  }

  /// Entries in the order of their keys, so that equal maps become equal bytes.
  func entries<Key: Comparable & Hashable, Value, Entry>(
    _ map: [Key: Value], _ fill: (UnsafeMutablePointer<Entry>, Key, Value) -> Void
  ) -> UnsafeMutablePointer<UnsafeMutablePointer<Entry>?>? {
    let sorted = map.sorted { $0.key < $1.key }
    return list(sorted) { pair in
      let entry = make(Entry.self)
      fill(entry, pair.key, pair.value)
      return entry
    }
  }

  private func list<Element, C>(_ values: [Element], _ convert: (Element) -> C) -> UnsafeMutablePointer<C>? {
    guard !values.isEmpty else { return nil }
    countElements(values.count)
    let items = make(C.self, count: values.count)
    for index in values.indices { items[index] = convert(values[index]) }
    return items
  }
}

enum WireWrite {
  static func enumeration<E: ProtoEnum, C: RawRepresentable<UInt32>>(_ value: E) -> C {
    guard let converted = C(rawValue: UInt32(bitPattern: value.rawValue)) else {
      preconditionFailure("C enums take every value of their width")
    }
    return converted
  }
}
