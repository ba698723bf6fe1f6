/// What a stored field may be, for a collection's validator.
public struct FieldRule: Sendable {
  private let types: [String]
  private var values: [String]?
  private var minimum: Int64?
  private var isNullable = false

  private init(_ types: String...) {
    self.types = types
  }

  public static let string = FieldRule("string")
  public static let objectID = FieldRule("objectId")
  public static let date = FieldRule("date")
  public static let bool = FieldRule("bool")
  public static let binary = FieldRule("binData")
  public static let document = FieldRule("object")
  public static let array = FieldRule("array")
  public static let integer = FieldRule("long", "int")
  /// An object id, or the name of who acts without being a user (`SYSTEM`).
  public static let actor = FieldRule("string", "objectId")

  public static func integer(from minimum: Int64) -> FieldRule {
    var rule = integer
    rule.minimum = minimum
    return rule
  }

  /// One of these texts. Spelled out where a migration uses it and never taken from an enum of the code: a value that
  /// is added there needs a migration that goes before it.
  public static func one(of values: String...) -> FieldRule {
    var rule = FieldRule("string")
    rule.values = values
    return rule
  }

  public var orNull: FieldRule {
    var rule = self
    rule.isNullable = true
    return rule
  }

  fileprivate var document: BSONDocument {
    if let values {
      let texts = values.map { BSONValue.string($0) }
      return ["enum": .array(isNullable ? texts + [.null] : texts)]
    }
    let names = isNullable ? types + ["null"] : types
    var document: BSONDocument = ["bsonType": names.count == 1 ? .string(names[0]) : .strings(names)]
    if let minimum { document.append("minimum", .int64(minimum)) }
    return document
  }
}

extension BSONDocument {
  /// A validator for documents that have the `required` fields, and the `optional` ones in this form or not at all.
  ///
  /// Other fields are allowed: a build and the one after it write side by side.
  public static func schema(
    required: KeyValuePairs<String, FieldRule>, optional: KeyValuePairs<String, FieldRule> = [:]
  ) -> BSONDocument {
    let rules = (Array(required) + Array(optional)).map { ($0.key, BSONValue.document($0.value.document)) }
    return [
      "$jsonSchema": [
        "bsonType": "object", "required": .strings(required.map(\.key)), "properties": .document(BSONDocument(rules)),
      ]
    ]
  }
}
