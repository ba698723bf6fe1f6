/// Where in a JSON text something is: `assignments[0].code`. The root is empty.
public struct JSONPath: Hashable, Sendable {
  public let text: String

  public static let root = JSONPath(text: "")

  public init(text: String) {
    self.text = text
  }

  public func member(_ name: String) -> JSONPath {
    JSONPath(text: text.isEmpty ? name : "\(text).\(name)")
  }

  public func element(_ index: Int) -> JSONPath {
    JSONPath(text: "\(text)[\(index)]")
  }
}

extension JSONPath: CustomStringConvertible {
  public var description: String { text }
}
