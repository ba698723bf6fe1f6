import Access
import Config
import Foundation
import Logging

/// The whole configuration of a process, read and found valid.
struct Configured<Settings: ServiceSettings>: Sendable {
  let service: ServiceName
  let common: CommonSettings
  let settings: Settings
  let serviceKeys: ServiceKeys
  /// Redacted, one key per line.
  let printable: String
  /// Redacted values by key.
  let values: [String: String]

  /// Fails with everything that is wrong.
  init(_ service: ServiceName, _ overrides: [String: String]) throws(ConfigurationFailure) {
    var keys = ConfigurationReader(
      service: service, commandLine: overrides, environmentVariables: ProcessInfo.processInfo.environment)
    self.service = service
    common = CommonSettings(&keys)
    settings = Settings(&keys)
    var serviceKeys = ServiceKeys.none
    if let path = common.serviceKeysFile {
      do throws(ServiceKeysFailure) {
        serviceKeys = try ServiceKeys(path: path)
      } catch {
        keys.reject(Keys.serviceKeysFile.name, error.description)
      }
    }
    self.serviceKeys = serviceKeys
    printable = keys.printable
    values = Dictionary(keys.entries.map { ($0.key.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    try keys.finish()
  }

  var logLevel: Logger.Level { Logger.Level(rawValue: common.logLevel.rawValue) ?? .info }
}
