internal import Messages

/// One JSON object of a service config, whose members are taken one by one; what is left is unknown and refused.
struct ServiceConfigObject {
  private let path: JSONPath
  private var rest: [JSONMember]

  init(_ json: JSONValue, _ path: JSONPath) throws(ServiceConfigFailure) {
    guard case .object(let members) = json else { throw ServiceConfigFailure(path.text, "must be an object") }
    self.path = path
    rest = members
  }

  func failure(_ name: String, _ message: String) -> ServiceConfigFailure {
    ServiceConfigFailure(path.member(name).text, message)
  }

  func finish() throws(ServiceConfigFailure) {
    if let left = rest.first { throw failure(left.name, "is not known") }
  }

  /// The value of a member; null means that there is none.
  mutating func take(_ name: String) -> JSONValue? {
    guard let index = rest.firstIndex(where: { $0.name == name }) else { return nil }
    let value = rest.remove(at: index).value
    return value == .null ? nil : value
  }

  mutating func string(_ name: String) throws(ServiceConfigFailure) -> String? {
    guard let json = take(name) else { return nil }
    guard case .string(let text) = json else { throw failure(name, "must be a string") }
    return text
  }

  mutating func bool(_ name: String) throws(ServiceConfigFailure) -> Bool? {
    guard let json = take(name) else { return nil }
    guard case .bool(let value) = json else { throw failure(name, "must be true or false") }
    return value
  }

  mutating func integer(_ name: String, _ range: ClosedRange<Int>) throws(ServiceConfigFailure) -> Int? {
    guard let json = take(name) else { return nil }
    guard let value = json.int64.flatMap({ Int(exactly: $0) }) else { throw failure(name, "must be an integer") }
    guard range.contains(value) else {
      let (least, most) = (range.lowerBound, range.upperBound)
      throw failure(name, most == .max ? "must be at least \(least)" : "must be from \(least) to \(most)")
    }
    return value
  }

  mutating func positive(_ name: String) throws(ServiceConfigFailure) -> Double? {
    guard let json = take(name) else { return nil }
    guard case .number(let text) = json, let value = Double(text), value.isFinite else {
      throw failure(name, "must be a number")
    }
    guard value > 0 else { throw failure(name, "must be above 0") }
    return value
  }

  /// Seconds with up to nine decimals and an `s`.
  mutating func duration(_ name: String, isPositive: Bool = false) throws(ServiceConfigFailure) -> Duration? {
    guard let json = take(name) else { return nil }
    guard let value = try? GoogleProtobuf.Duration(json: json, path: path.member(name)).kernel else {
      throw failure(name, "must be a duration such as 1.5s")
    }
    guard value > .zero || (value == .zero && !isPositive) else {
      throw failure(name, isPositive ? "must be above 0" : "must not be negative")
    }
    return value
  }

  /// The elements of a list, each with where it is; none if the member is missing.
  mutating func list(_ name: String) throws(ServiceConfigFailure) -> [(path: JSONPath, json: JSONValue)] {
    guard let json = take(name) else { return [] }
    guard case .array(let elements) = json else { throw failure(name, "must be a list") }
    return elements.enumerated().map { (path.member(name).element($0), $1) }
  }
}
