import Kernel
import Mongo

/// Values of the domain in documents of this service. A spelling that the domain does not know is refused: guessing
/// would turn a newer version's data into wrong data.
extension BSONDocument {
  func code(_ key: String) throws(MongoFailure) -> PartyCode {
    guard let code = PartyCode(try string(key)) else { throw .malformedDocument("`\(key)` is no code") }
    return code
  }

  func codes(_ key: String) throws(MongoFailure) -> [PartyCode] {
    var codes: [PartyCode] = []
    for text in try strings(key) {
      guard let code = PartyCode(text) else { throw .malformedDocument("`\(key)` holds something that is no code") }
      codes.append(code)
    }
    return codes
  }

  func choice<Choice: RawRepresentable<String>>(_ key: String, _: Choice.Type) throws(MongoFailure) -> Choice {
    guard let choice = Choice(rawValue: try string(key)) else {
      throw .malformedDocument("`\(key)` is not a known value")
    }
    return choice
  }

  func choices<Choice: RawRepresentable<String>>(_ key: String, _: Choice.Type) throws(MongoFailure) -> [Choice] {
    var choices: [Choice] = []
    for text in try strings(key) {
      guard let choice = Choice(rawValue: text) else {
        throw .malformedDocument("`\(key)` holds a value that is not known")
      }
      choices.append(choice)
    }
    return choices
  }
}
