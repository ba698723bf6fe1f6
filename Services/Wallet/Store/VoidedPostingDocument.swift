import Kernel
import Mongo
import WalletDomain

/// `voided_postings`: keys under which nothing will ever be posted.
enum VoidedPostingDocument {
  static func document(_ voided: VoidedPosting) -> BSONDocument {
    ["key": .string(voided.key.text), "code": .string(voided.code.rawValue), "at": .datetime(voided.at)]
  }

  static func voided(_ document: BSONDocument) throws -> VoidedPosting {
    VoidedPosting(
      key: PostingKey(stored: try document.string("key")), code: try document.choice("code"),
      at: try document.datetime("at"))
  }
}
