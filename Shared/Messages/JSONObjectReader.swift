import Kernel

/// Takes the members of one JSON object field by field; what is left at the end is unknown and refused.
struct JSONObjectReader {
  private let members: [JSONMember]
  private var taken: [Bool]
  private let path: JSONPath
  /// The member after the one that was taken last: most texts have the order of the proto.
  private var next = 0
  /// True when some name could be a second spelling of another one.
  private let hasProtoNames: Bool

  init(_ json: JSONValue, _ path: JSONPath) throws(Failure) {
    guard case .object(let members) = json else {
      throw .validation(path == .root ? "body" : path.text, "must be an object")
    }
    self.members = members
    taken = [Bool](repeating: false, count: members.count)
    self.path = path
    hasProtoNames = members.contains { $0.name.utf8.contains(UInt8(ascii: "_")) }
  }

  /// The member under either spelling; nil when it is missing or null, which both mean the default.
  private mutating func take(_ name: String, _ protoName: String) throws(Failure) -> JSONValue? {
    if !hasProtoNames {
      guard let index = index(of: name) else { return nil }
      taken[index] = true
      next = index + 1
      return members[index].value == .null ? nil : members[index].value
    }
    var found: JSONValue?
    for index in members.indices where members[index].name == name || members[index].name == protoName {
      guard found == nil else { throw .validation(path.member(name).text, "is given more than once") }
      taken[index] = true
      found = members[index].value
    }
    return found == .null ? nil : found
  }

  private func index(of name: String) -> Int? {
    if next < members.count, members[next].name == name { return next }
    return members.firstIndex { $0.name == name }
  }

  /// Like `take`, for `google.protobuf.Value`, where null is a value.
  mutating func read(_ name: String, _ protoName: String, _ value: inout GoogleProtobuf.Value?) throws(Failure) {
    for index in members.indices where members[index].name == name || members[index].name == protoName {
      guard value == nil else { throw .validation(path.member(name).text, "is given more than once") }
      taken[index] = true
      value = try GoogleProtobuf.Value(json: members[index].value, path: path.member(name))
    }
  }

  mutating func read<T: JSONCoded>(_ name: String, _ protoName: String, _ value: inout T) throws(Failure) {
    guard let json = try take(name, protoName) else { return }
    value = try T(json: json, path: path.member(name))
  }

  mutating func read<T: JSONCoded>(_ name: String, _ protoName: String, _ value: inout T?) throws(Failure) {
    guard let json = try take(name, protoName) else { return }
    value = try T(json: json, path: path.member(name))
  }

  mutating func read<T: JSONCoded>(_ name: String, _ protoName: String, _ values: inout [T]) throws(Failure) {
    guard let json = try take(name, protoName) else { return }
    let path = path.member(name)
    guard case .array(let elements) = json else { throw .validation(path.text, "must be a list") }
    values.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() {
      values.append(try T(json: element, path: path.element(index)))
    }
  }

  mutating func read<Key: JSONMapKey, T: JSONCoded>(
    _ name: String, _ protoName: String, _ map: inout [Key: T]
  ) throws(Failure) {
    guard let json = try take(name, protoName) else { return }
    let path = path.member(name)
    guard case .object(let members) = json else { throw .validation(path.text, "must be an object") }
    for member in members {
      let key = try Key(jsonName: member.name, path: path)
      map[key] = try T(json: member.value, path: path.member(member.name))
    }
  }

  mutating func read(_ name: String, _ protoName: String, bytes: inout [UInt8]) throws(Failure) {
    guard let json = try take(name, protoName) else { return }
    bytes = try Base64.decode(json, path.member(name))
  }

  mutating func read(_ name: String, _ protoName: String, bytes: inout [UInt8]?) throws(Failure) {
    guard let json = try take(name, protoName) else { return }
    bytes = try Base64.decode(json, path.member(name))
  }

  mutating func read(_ name: String, _ protoName: String, bytes: inout [[UInt8]]) throws(Failure) {
    guard let json = try take(name, protoName) else { return }
    let path = path.member(name)
    guard case .array(let elements) = json else { throw .validation(path.text, "must be a list") }
    for (index, element) in elements.enumerated() {
      bytes.append(try Base64.decode(element, path.element(index)))
    }
  }

  /// Refuses the second member of a oneof.
  func requireUnset<Choice>(_ name: String, _ choice: Choice?) throws(Failure) {
    guard choice == nil else { throw .validation(path.member(name).text, "excludes another member that is given") }
  }

  /// Refuses members that nobody took.
  func finish() throws(Failure) {
    guard let index = taken.firstIndex(of: false) else { return }
    throw .validation(path.member(members[index].name).text, "is not known")
  }
}
