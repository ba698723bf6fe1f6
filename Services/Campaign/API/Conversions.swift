import CampaignDomain
import Kernel
import Messages

extension CampaignV1.Product {
  init(_ product: Product) {
    let deal = product.deal
    self.init(
      id: deal.id.rawValue, campaignId: deal.campaignID.rawValue, mediatorCode: deal.mediatorCode.rawValue,
      title: deal.listing.title, description: deal.description, image: deal.listing.image,
      productUrl: deal.listing.productURL, platform: deal.listing.platform, brandName: deal.listing.brandName,
      dealType: CommonV1.DealType(deal.listing.dealType), originalPricePaise: deal.listing.originalPrice.paise,
      pricePaise: deal.listing.price.paise, commissionPaise: deal.commission.paise,
      returnWindowDays: deal.listing.returnWindowDays, rating: deal.rating, category: deal.category,
      remainingSlots: product.remainingSlots)
  }
}

extension CampaignV1.DealSnapshot {
  init(_ terms: DealTerms) {
    let deal = terms.deal
    self.init(
      dealId: deal.id.rawValue, campaignId: deal.campaignID.rawValue, mediatorCode: deal.mediatorCode.rawValue,
      ownerUserId: terms.owner.userID.rawValue, ownerKind: CommonV1.OwnerKind(terms.owner.kind),
      brandName: deal.listing.brandName, title: deal.listing.title, image: deal.listing.image,
      productUrl: deal.listing.productURL, platform: deal.listing.platform,
      dealType: CommonV1.DealType(deal.listing.dealType), pricePaise: deal.listing.price.paise,
      commissionPaise: deal.commission.paise, payoutPaise: deal.payout.paise,
      returnWindowDays: deal.listing.returnWindowDays)
  }
}

extension CampaignV1.Reservation {
  init(_ reservation: Reservation) {
    self.init(
      orderId: reservation.orderID.rawValue, campaignId: reservation.campaignID.rawValue,
      mediatorCode: reservation.mediatorCode.rawValue, agencyCode: reservation.agencyCode.rawValue,
      state: CampaignV1.ReservationState(reservation.state))
  }
}

// Exhaustive on purpose: a new case of the domain must not compile until its wire value is chosen.

extension CampaignV1.ReservationState {
  init(_ state: Reservation.State) {
    self =
      switch state {
      case .held: .held
      case .consumed: .consumed
      case .released: .released
      }
  }
}

extension CommonV1.DealType {
  init(_ type: DealType) {
    self =
      switch type {
      case .discount: .discount
      case .review: .review
      case .rating: .rating
      }
  }
}

extension CommonV1.OwnerKind {
  init(_ kind: OwnerKind) {
    self =
      switch kind {
      case .shopper: .shopper
      case .mediator: .mediator
      case .agency: .agency
      case .brand: .brand
      case .platform: .platform
      }
  }
}

extension DealType {
  /// Nil for no filter. Fails with `VALIDATION_FAILED` on a value that this build does not know.
  init?(filter: CommonV1.DealType?, path: String) throws(Failure) {
    guard let filter, filter != .unspecified else { return nil }
    guard let type = filter.stored.flatMap(DealType.init(rawValue:)) else {
      throw .validation(path, "is not a deal type")
    }
    self = type
  }
}

extension PartyCode {
  /// Fails with `VALIDATION_FAILED` naming `path`.
  init(_ text: String, path: String) throws(Failure) {
    guard let code = PartyCode(text) else {
      throw .validation(path, "must be a code of 2 to 64 letters, digits, - and _")
    }
    self = code
  }
}
