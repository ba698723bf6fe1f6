import Access
import ArgumentParser
import Foundation
import Kernel
import Logging
import RPC
import Transport

/// A channel to one service in the name of the operator, as `./mobo up` has configured the stack.
enum OperatorChannel {
  /// The operator's own name in service keys and certificates.
  private static let name = "operator"

  /// Environment variables win over the service's configuration file. Fails with a message for people.
  static func open(to service: String, configurationFolder: String) throws -> RPCChannel {
    let settings = try Settings(service, configurationFolder)
    var logger = Logger(label: "mobo")
    logger.logLevel = .error
    let tls = try settings.tls(as: name)
    let keys = try tls == nil ? settings.keys() : .none
    var configuration = RPCChannelConfiguration(messageBytesMax: 12 << 20)
    configuration.tls = try tls.map { try ClientTLS($0, server: .identity(settings.identity(of: service))) }
    return RPCChannel(
      target: settings.target, configuration: configuration,
      interceptors: [ServiceCredentials(service: name, keys: keys)], logger: logger)
  }

  private struct Settings {
    private let values: [String: String]
    let target: String

    init(_ service: String, _ folder: String) throws {
      let path = "\(folder)/\(service).json"
      let file = FileManager.default.contents(atPath: path).flatMap { try? JSONSerialization.jsonObject(with: $0) }
      var values: [String: String] = [:]
      for (key, value) in file as? [String: Any] ?? [:] { values[key] = "\(value)" }
      values.merge(ProcessInfo.processInfo.environment) { _, environment in environment }
      self.values = values
      guard let target = values["\(service.uppercased())_TARGET"] else {
        throw ValidationError("where is \(service)? \(path) does not say, nor does \(service.uppercased())_TARGET")
      }
      self.target = target
    }

    func keys() throws -> ServiceKeys {
      guard let path = values["SERVICE_KEYS_FILE"] else { return .none }
      return try ServiceKeys(path: path)
    }

    /// The operator's certificate lies beside the service's.
    func tls(as name: String) throws -> TLSCredentials? {
      guard values["TLS_CERT_FILE"] != nil else { return nil }
      func beside(_ key: String) -> String? {
        values[key].map { path in
          let url = URL(fileURLWithPath: path)
          let folder = url.deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent(name)
          return folder.appendingPathComponent(url.lastPathComponent).path
        }
      }
      return try TLSCredentials(
        TLSFiles(
          certificate: beside("TLS_CERT_FILE"), key: beside("TLS_KEY_FILE"), authorities: beside("TLS_CA_FILE")),
        identity: try identity(of: name))
    }

    func identity(of service: String) throws -> SPIFFEID {
      let domain = values["TLS_TRUST_DOMAIN"] ?? "mobo"
      guard let id = SPIFFEID(trustDomain: domain, service: service) else {
        throw ValidationError("TLS_TRUST_DOMAIN is no trust domain")
      }
      return id
    }
  }
}
