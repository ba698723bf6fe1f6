/// Names of indexes that code recognises in a duplicate-key failure. An index's name spells its keys.
enum IndexNames {
  static let mobile = "mobile_1"
  static let email = "email_1"
  static let username = "username_1"
}
