import Access
import Config
import FoundationEssentials
import Logging
import Transport

/// The whole configuration of a process, read and found valid.
struct Configured<Settings: ServiceSettings>: Sendable {
  let service: ServiceName
  let common: CommonSettings
  let settings: Settings
  let serviceKeys: ServiceKeys
  /// The certificate of this process, loaded and checked; nil without TLS.
  let tls: TLSCredentials?
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
    tls = Self.credentials(service, common, &keys)
    printable = keys.printable
    values = Dictionary(keys.entries.map { ($0.key.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    try keys.finish()
  }

  private static func credentials(
    _ service: ServiceName, _ common: CommonSettings, _ keys: inout ConfigurationReader
  ) -> TLSCredentials? {
    guard let tls = common.tls else { return nil }
    do throws(TLSFailure) {
      return try TLSCredentials(
        TLSFiles(certificate: tls.certificateFile, key: tls.keyFile, authorities: tls.authoritiesFile),
        identity: SPIFFEID(trustDomain: tls.trustDomain, service: service.rawValue))
    } catch {
      let key =
        switch error.part {
        case .certificate: Keys.tlsCertificateFile
        case .key: Keys.tlsKeyFile
        case .authorities: Keys.tlsAuthoritiesFile
        }
      keys.reject(key.name, error.description)
      return nil
    }
  }

  var logLevel: Logger.Level { Logger.Level(rawValue: common.logLevel.rawValue) ?? .info }
}
