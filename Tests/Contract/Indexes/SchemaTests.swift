import AuditStorage
import CampaignStorage
import IdentityStorage
import OrderStorage
import TestKit
import Testing
import WalletStorage

@testable import Mongo

/// The schemas of all services.
enum ServiceSchema: String, CaseIterable, CustomTestStringConvertible, Sendable {
  case identity, campaign, order, wallet, audit

  var testDescription: String { rawValue }

  var migrations: [Migration] {
    switch self {
    case .identity: IdentityMigrations.all
    case .campaign: CampaignMigrations.all
    case .order: OrderMigrations.all
    case .wallet: WalletMigrations.all
    case .audit: AuditMigrations.all
    }
  }
}

@Suite("A service's schema", .enabled(if: TestMongo.isAvailable, "needs MONGODB_URI"))
struct SchemaTests {
  /// What migrations change: indexes besides `_id_`, and validators, by collection.
  private struct Snapshot: Equatable {
    var indexes: [String: [BSONDocument]] = [:]
    var validators: [String: BSONDocument] = [:]

    init(_ database: MongoDatabase) async throws {
      let found = try await database.run { connection in
        let validators = try connection.validators()
        var indexes: [String: [BSONDocument]] = [:]
        for collection in validators.keys {
          let listed = try connection.indexes(collection).filter { try $0.string("name") != "_id_" }
          if !listed.isEmpty { indexes[collection] = try listed.sorted { try $0.string("name") < $1.string("name") } }
        }
        return (indexes, validators.compactMapValues { $0 })
      }
      (indexes, validators) = found
    }
  }

  @Test("is exactly what it was after every way up and down", arguments: ServiceSchema.allCases)
  func roundTrips(_ service: ServiceSchema) async throws {
    let migrations = service.migrations
    try await TestMongo.withDatabase("round_trip") { database async throws in
      let runner = MigrationRunner(database, migrations)
      try await runner.up(to: migrations[0].id)
      try await runner.down(to: "")
      var states = [try await Snapshot(database)]
      for migration in migrations {
        try await runner.up(to: migration.id)
        states.append(try await Snapshot(database))
        #expect(try await runner.drift() == [], "after \(migration.id)")
      }
      #expect(try await runner.verify() == [])
      // One by one to the beginning, and then to and fro: each number is how many migrations are applied.
      var level = migrations.count
      let jumps = [2, migrations.count, 1, migrations.count - 1, 0, migrations.count]
      for target in Array((0..<migrations.count).reversed()) + jumps {
        let id = target == 0 ? "" : migrations[target - 1].id
        if target > level { try await runner.up(to: id) } else { try await runner.down(to: id) }
        level = target
        #expect(try await Snapshot(database) == states[target], "with \(target) applied")
      }
    }
  }

  @Test("refuses documents that lack what every document has, in every collection", arguments: ServiceSchema.allCases)
  func validators(_ service: ServiceSchema) async throws {
    try await TestMongo.withDatabase("validators", migrations: service.migrations) { database async throws in
      let declared = DeclaredSchema(service.migrations)
      #expect(declared.collections == Set(declared.validators.keys), "every collection has a validator")
      for collection in declared.collections {
        await #expect(throws: MongoFailure.validation(collection: collection)) {
          try await database.run { try $0.insertOne(collection, ["something": "else"]) }
        }
      }
    }
  }

  @Test("lets no wallet fall below zero, whoever writes")
  func balances() async throws {
    try await TestMongo.withDatabase("balances", migrations: WalletMigrations.all) { database async throws in
      try await database.run { connection in
        try connection.insertOne(
          "wallets",
          [
            "ownerUserId": Sample.id(1), "ownerKind": "brand", "currency": "INR", "availablePaise": 5,
            "pendingPaise": 0, "lockedPaise": 0, "version": 0, "deletedAt": .null,
          ])
        try connection.updateOne("wallets", [:], ["$inc": ["availablePaise": -5]])
        for balance in ["availablePaise", "pendingPaise", "lockedPaise"] {
          let below = BSONDocument([(balance, -1)])
          #expect(throws: MongoFailure.validation(collection: "wallets")) {
            try connection.updateOne("wallets", [:], ["$inc": .document(below)])
          }
        }
      }
    }
  }
}
