import CMongoc

/// Command events of libmongoc, told to the listener with the values left out.
extension TopologyObserver {
  /// Installs the callbacks; their context must be this object. Does nothing if nobody listens.
  func registerCommands(in callbacks: OpaquePointer?) {
    guard listener != nil else { return }
    mongoc_apm_set_command_succeeded_cb(callbacks) { event in
      guard let event, let context = mongoc_apm_command_succeeded_get_context(event) else { return }
      let code = mobo_mongoc_succeeded_error(event)
      Unmanaged<TopologyObserver>.fromOpaque(context).takeUnretainedValue().ended(
        mongoc_apm_command_succeeded_get_command_name(event), mongoc_apm_command_succeeded_get_host(event),
        microseconds: mongoc_apm_command_succeeded_get_duration(event),
        failure: code == 0 ? nil : CommandError(domain: MONGOC_ERROR_SERVER.rawValue, code: code))
    }
    mongoc_apm_set_command_failed_cb(callbacks) { event in
      guard let event, let context = mongoc_apm_command_failed_get_context(event) else { return }
      let outcome = mobo_mongoc_failed_outcome(event)
      let labels = outcome.takeReply().errorLabels
      Unmanaged<TopologyObserver>.fromOpaque(context).takeUnretainedValue().ended(
        mongoc_apm_command_failed_get_command_name(event), mongoc_apm_command_failed_get_host(event),
        microseconds: mongoc_apm_command_failed_get_duration(event), failure: outcome.error(labels: labels))
    }
  }

  private func ended(
    _ name: UnsafePointer<CChar>?, _ host: UnsafePointer<mongoc_host_list_t>?, microseconds: Int64,
    failure: CommandError?
  ) {
    let name = name.map { String(cString: $0) } ?? ""
    listener?.heard(
      .command(
        MongoCommand(
          name: Self.commands.contains(name) ? name : "other", server: host.map(Self.text) ?? "",
          duration: .microseconds(microseconds), failure: failure?.failure(collection: "").kind,
          context: MongoCommand.currentContext)))
  }

  static func text(_ host: UnsafePointer<mongoc_host_list_t>) -> String {
    var name = host.pointee.host_and_port
    return withUnsafeBytes(of: &name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
  }

  /// What this product sends, and what libmongoc sends for it. Everything else counts together, so that the number
  /// of names stays bounded.
  private static let commands: Set<String> = [
    "abortTransaction", "aggregate", "collMod", "collStats", "commitTransaction", "create", "createIndexes",
    "currentOp", "delete", "drop", "dropDatabase", "dropIndexes", "endSessions", "explain", "find", "findAndModify",
    "getMore", "hello", "insert", "killCursors", "killOp", "killSessions", "listCollections", "listIndexes", "ping",
    "serverStatus", "update",
  ]
}
