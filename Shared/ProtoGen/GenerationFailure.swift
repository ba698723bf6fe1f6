/// Why nothing was generated: a proto uses something that the generator does not do, or an input is damaged.
struct GenerationFailure: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}
