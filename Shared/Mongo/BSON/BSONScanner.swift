import Kernel

/// Where one field stands inside its document.
struct BSONElement {
  let type: UInt8
  /// Without the NUL.
  let key: Range<Int>
  let value: Range<Int>
}

/// Walks over the fields of one document without trusting a length in it: no read leaves the buffer.
struct BSONScanner {
  enum Step {
    case element(BSONElement)
    case end
    case malformed
  }

  let buffer: UnsafeRawBufferPointer
  private var offset = 4
  /// The index of the terminator.
  private let end: Int

  /// Nil unless `buffer` is framed as exactly one document.
  init?(_ buffer: UnsafeRawBufferPointer) {
    guard buffer.count >= 5, Self.int32(buffer, 0) == buffer.count, buffer[buffer.count - 1] == 0 else { return nil }
    self.buffer = buffer
    end = buffer.count - 1
  }

  mutating func next() -> Step {
    guard offset < end else { return offset == end ? .end : .malformed }
    let type = buffer[offset]
    let keyStart = offset + 1
    guard let keyEnd = terminator(from: keyStart) else { return .malformed }
    let valueStart = keyEnd + 1
    guard let length = valueLength(type, at: valueStart), length <= end - valueStart else { return .malformed }
    offset = valueStart + length
    return .element(BSONElement(type: type, key: keyStart..<keyEnd, value: valueStart..<offset))
  }

  func hasKey(_ element: BSONElement, _ key: UnsafeBufferPointer<UInt8>) -> Bool {
    guard element.key.count == key.count else { return false }
    for index in 0..<key.count where buffer[element.key.lowerBound + index] != key[index] { return false }
    return true
  }

  /// The bytes that a value of `type` takes at `start`; nil if it does not fit or the type is unknown.
  private func valueLength(_ type: UInt8, at start: Int) -> Int? {
    switch type {
    case 0x06, 0x0A, 0x7F, 0xFF: return 0
    case 0x08: return 1
    case 0x10: return 4
    case 0x01, 0x09, 0x11, 0x12: return 8
    case 0x07: return 12
    case 0x13: return 16
    case 0x02, 0x0D, 0x0E: return textLength(at: start)
    case 0x0C: return textLength(at: start).map { $0 + 12 }
    case 0x05: return prefix(at: start, min: 0).map { $0 + 5 }
    case 0x03, 0x04, 0x0F:
      guard let length = prefix(at: start, min: 5), length <= end - start, buffer[start + length - 1] == 0 else {
        return nil
      }
      return length
    case 0x0B:
      guard let pattern = terminator(from: start), let options = terminator(from: pattern + 1) else { return nil }
      return options + 1 - start
    default: return nil
    }
  }

  private func textLength(at start: Int) -> Int? {
    guard let count = prefix(at: start, min: 1), count <= end - start - 4, buffer[start + 4 + count - 1] == 0 else {
      return nil
    }
    return count + 4
  }

  private func prefix(at start: Int, min: Int) -> Int? {
    guard end - start >= 4 else { return nil }
    let length = Self.int32(buffer, start)
    return length >= min ? length : nil
  }

  private func terminator(from start: Int) -> Int? {
    var index = start
    while index < end {
      if buffer[index] == 0 { return index }
      index += 1
    }
    return nil
  }

  static func int32(_ buffer: UnsafeRawBufferPointer, _ offset: Int) -> Int {
    Int(Int32(littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: Int32.self)))
  }
}

extension BSONScanner {
  /// Nil for text that is not UTF-8 and for nesting that is broken.
  func decode(_ element: BSONElement) -> BSONValue? {
    let start = element.value.lowerBound
    switch BSONType(rawValue: element.type) {
    case .double: return .double(Double(bitPattern: uint64(start)))
    case .string: return text(start + 4..<element.value.upperBound - 1).map { .string($0) }
    case .document: return .document(BSONDocument(unchecked: Array(slice(element.value))))
    case .array: return array(element.value)
    case .binary:
      // Subtype 2 repeats the length inside; nothing of ours writes it.
      guard buffer[start + 4] == 0 else { return .other(type: element.type, bytes: Array(slice(element.value))) }
      return .binary(Array(slice(start + 5..<element.value.upperBound)))
    case .objectID: return .objectID(ObjectID(bytes: slice(element.value)))
    case .bool: return .bool(buffer[start] != 0)
    case .datetime: return .datetime(Timestamp(milliseconds: Int64(bitPattern: uint64(start))))
    case .null: return .null
    case .int32: return .int32(Int32(truncatingIfNeeded: Self.int32(buffer, start)))
    case .timestamp: return .timestamp(uint64(start))
    case .int64: return .int64(Int64(bitPattern: uint64(start)))
    case nil: return .other(type: element.type, bytes: Array(slice(element.value)))
    }
  }

  /// Nil if the key is not UTF-8.
  func key(_ element: BSONElement) -> String? {
    text(element.key)
  }

  func hasTextKey(_ element: BSONElement) -> Bool { isText(element.key) }

  /// Of a string element.
  func hasTextValue(_ element: BSONElement) -> Bool {
    isText(element.value.lowerBound + 4..<element.value.upperBound - 1)
  }

  /// Nil for what is not UTF-8.
  private func text(_ range: Range<Int>) -> String? {
    let bytes = slice(range).assumingMemoryBound(to: UInt8.self)
    do {
      return String(copying: try UTF8Span(validating: bytes.span))
    } catch {
      return nil
    }
  }

  private func isText(_ range: Range<Int>) -> Bool {
    let bytes = slice(range).assumingMemoryBound(to: UInt8.self)
    do {
      _ = try UTF8Span(validating: bytes.span)
      return true
    } catch {
      return false
    }
  }

  private func slice(_ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: buffer[range])
  }

  private func array(_ range: Range<Int>) -> BSONValue? {
    guard var inner = BSONScanner(UnsafeRawBufferPointer(rebasing: buffer[range])) else { return nil }
    var values: [BSONValue] = []
    while true {
      switch inner.next() {
      case .element(let element):
        guard let value = inner.decode(element) else { return nil }
        values.append(value)
      case .end: return .array(values)
      case .malformed: return nil
      }
    }
  }

  private func uint64(_ offset: Int) -> UInt64 {
    UInt64(littleEndian: buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}
