/// How protos are spelled in Swift and in protobuf-c's C.
enum SwiftNames {
  private static let keywords: Set<String> = [
    "associatedtype", "as", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do", "else",
    "enum", "extension", "fallthrough", "false", "fileprivate", "for", "func", "guard", "if", "import", "in", "init",
    "inout", "internal", "is", "let", "nil", "operator", "precedencegroup", "private", "protocol", "public", "repeat",
    "rethrows", "return", "self", "static", "struct", "subscript", "super", "switch", "throw", "throws", "true", "try",
    "typealias", "var", "where", "while", "Any", "Self", "Type", "Protocol",
  ]

  private static let initialisms = ["rpc": "RPC"]

  /// `mobo.wallet.v1` is `WalletV1`, `google.rpc` is `GoogleRPC`.
  static func namespace(_ package: String) -> String {
    let parts = package.split(separator: ".").map(String.init)
    let own = parts.first == "mobo" ? Array(parts.dropFirst()) : parts
    return own.map { initialisms[$0] ?? upperCamel($0) }.joined()
  }

  /// `V2` for `mobo.wallet.v2`; nothing for a first version or a package without one.
  static func versionSuffix(_ package: String) -> String {
    guard let last = package.split(separator: ".").last, last != "v1", last.first == "v",
      last.dropFirst().first?.isNumber == true
    else { return "" }
    return upperCamel(String(last))
  }

  /// `error_details` is `ErrorDetails`.
  static func upperCamel(_ snake: String) -> String {
    snake.split(separator: "_").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
  }

  /// `user_id` is `userId`: also the name in JSON.
  static func lowerCamel(_ snake: String) -> String {
    let camel = upperCamel(snake)
    return camel.prefix(1).lowercased() + camel.dropFirst()
  }

  /// Backticks around a keyword.
  static func escaped(_ name: String) -> String {
    keywords.contains(name) ? "`\(name)`" : name
  }

  static func property(_ field: FieldDescriptor) -> String {
    escaped(lowerCamel(field.name))
  }

  /// A property as the label of a parameter, where keywords are plain words.
  static func label(_ property: String) -> String {
    property.filter { $0 != "`" }
  }

  static func type(_ package: String, _ nesting: [String]) -> String {
    ([namespace(package)] + nesting.map(escaped)).joined(separator: ".")
  }

  /// `ROLE_SHOPPER` of `Role` is `shopper`; a name without the enum's prefix is only camelized.
  static func enumCase(_ value: String, of name: String) -> String {
    let prefix = snake(name).uppercased() + "_"
    let own = value.hasPrefix(prefix) ? String(value.dropFirst(prefix.count)) : value
    return lowerCamel(own.lowercased())
  }

  /// `WalletService` is `walletService`.
  static func method(_ name: String) -> String {
    escaped(name.prefix(1).lowercased() + name.dropFirst())
  }

  private static func snake(_ camel: String) -> String {
    var out = ""
    for character in camel {
      if character.isUppercase, !out.isEmpty { out += "_" }
      out += character.lowercased()
    }
    return out
  }
}

/// The names that protoc-gen-c chooses.
enum CNames {
  /// `mobo.wallet.v1.DepositRequest` is `Mobo__Wallet__V1__DepositRequest`.
  static func type(_ fullName: String) -> String {
    fullName.split(separator: ".").map { SwiftNames.upperCamel(String($0)) }.joined(separator: "__")
  }

  /// `mobo.wallet.v1.DepositRequest` is `mobo__wallet__v1__deposit_request__descriptor`.
  static func descriptor(_ fullName: String) -> String {
    fullName.split(separator: ".").map { lower(String($0)) }.joined(separator: "__") + "__descriptor"
  }

  /// Our accessor in CProtos.h: Swift would take the address of a copy of the descriptor.
  static func descriptorAccessor(_ fullName: String) -> String {
    "mobo_" + descriptor(fullName)
  }

  /// In lower case; a keyword of C or C++ gets an underscore.
  static func field(_ name: String) -> String {
    let lower = name.lowercased()
    return keywords.contains(lower) ? lower + "_" : lower
  }

  private static let keywords: Set<String> = [
    "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case", "catch", "char", "class", "compl",
    "const", "const_cast", "continue", "default", "delete", "do", "double", "dynamic_cast", "else", "enum", "explicit",
    "extern", "false", "float", "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new",
    "not", "not_eq", "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast",
    "return", "short", "signed", "sizeof", "static", "static_cast", "struct", "switch", "template", "this", "throw",
    "true", "try", "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void", "volatile",
    "wchar_t", "while", "xor", "xor_eq",
  ]

  private static func lower(_ camel: String) -> String {
    var out = ""
    var wasUppercase = true
    for character in camel {
      if character.isUppercase, !wasUppercase { out += "_" }
      wasUppercase = character.isUppercase
      out += character.lowercased()
    }
    return out
  }
}
