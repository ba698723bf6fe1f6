/// A queue that costs nothing while it is empty.
struct FIFO<Element> {
  private var elements: [Element?] = []
  private var head = 0

  var count: Int { elements.count - head }
  var isEmpty: Bool { head == elements.count }
  var first: Element? { isEmpty ? nil : elements[head] }

  /// The element so many behind the first.
  subscript(offset: Int) -> Element? {
    offset >= 0 && offset < count ? elements[head + offset] : nil
  }

  mutating func append(_ element: Element) {
    elements.append(element)
  }

  mutating func popFirst() -> Element? {
    guard head < elements.count else { return nil }
    let element = elements[head]
    elements[head] = nil
    head += 1
    if head == elements.count {
      elements.removeAll(keepingCapacity: elements.capacity <= FIFO.keptMax)
      head = 0
    } else if head >= FIFO.keptMax, head * 2 >= elements.count {
      elements.removeSubrange(..<head)  // Each element is moved once for each that has left: still constant time.
      head = 0
    }
    return element
  }

  /// Takes everything out.
  mutating func removeAll() -> [Element] {
    let all = elements[head...].compactMap(\.self)
    elements = []
    head = 0
    return all
  }

  /// Takes out what is like this, in order.
  mutating func removeAll(where condition: (Element) -> Bool) -> [Element] {
    let all = removeAll()
    elements = all.filter { !condition($0) }
    return all.filter(condition)
  }

  /// Places kept free for the next burst.
  private static var keptMax: Int { 32 }
}
