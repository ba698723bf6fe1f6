import Mongo

extension IdentityMigrations {
  static let roleDocumentsIndexes = indexes(
    "002_role_documents_indexes", "Agencies, brands and profiles by code, owner and status",
    [
      IndexSpec(Collections.agencies, ["agencyCode": 1], unique: true),
      IndexSpec(Collections.agencies, ["ownerUserId": 1], unique: true, partialFilter: live),
      // Lists.
      IndexSpec(Collections.agencies, ["status": 1, "createdAt": -1]),
      IndexSpec(Collections.brands, ["brandCode": 1], unique: true),
      IndexSpec(Collections.brands, ["ownerUserId": 1], unique: true, partialFilter: live),
      // Brands of an agency.
      IndexSpec(Collections.brands, ["connectedAgencyCodes": 1]),
      // Lists.
      IndexSpec(Collections.brands, ["status": 1, "createdAt": -1]),
      IndexSpec(Collections.mediatorProfiles, ["userId": 1], unique: true),
      IndexSpec(Collections.mediatorProfiles, ["mediatorCode": 1], unique: true),
      // Active mediators of an agency.
      IndexSpec(Collections.mediatorProfiles, ["parentAgencyCode": 1, "status": 1]),
      IndexSpec(Collections.shopperProfiles, ["userId": 1], unique: true),
      // Shoppers of a mediator.
      IndexSpec(Collections.shopperProfiles, ["defaultMediatorCode": 1]),
    ])
}
