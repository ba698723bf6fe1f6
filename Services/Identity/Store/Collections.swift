/// The collections that identity owns (DOMAIN 3.1).
enum Collections {
  static let users = "users"
  static let agencies = "agencies"
  static let brands = "brands"
  static let mediatorProfiles = "mediator_profiles"
  static let shopperProfiles = "shopper_profiles"
  static let invites = "invites"
  static let suspensions = "suspensions"
  static let connections = "connections"
  static let sessions = "sessions"
  static let systemConfigs = "system_configs"
}
