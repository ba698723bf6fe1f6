public import Mongo

/// The schema of `mobo_order`, oldest change first. An applied migration is never edited: a change is a new one.
public enum OrderMigrations {
  public static let all: [Migration] = [
    orders, orderProofs, tickets, sagas, technicalCollections, holdPages, leases, validators,
  ]
}
