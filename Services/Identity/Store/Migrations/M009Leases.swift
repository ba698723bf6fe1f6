import Mongo
import Reliability

extension IdentityMigrations {
  static let leases = Migration(
    id: "009_leases", description: "The lease of the replica that does the background work",
    up: LeaderLease.migrationSteps)
}
