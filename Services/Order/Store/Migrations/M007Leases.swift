import Mongo
import Reliability

extension OrderMigrations {
  static let leases = Migration(
    id: "007_leases", description: "The lease of the replica that does the background work",
    up: LeaderLease.migrationSteps)
}
