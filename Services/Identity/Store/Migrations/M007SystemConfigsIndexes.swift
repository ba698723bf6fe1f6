import Mongo

extension IdentityMigrations {
  static let systemConfigsIndexes = indexes(
    "007_system_configs_indexes", "One document of system configuration",
    [IndexSpec(Collections.systemConfigs, ["key": 1], unique: true)])
}
