import Mongo
import Reliability

extension WalletMigrations {
  static let leases = Migration(
    id: "006_leases", description: "The lease of the replica that does the background work",
    up: LeaderLease.migrationSteps)
}
