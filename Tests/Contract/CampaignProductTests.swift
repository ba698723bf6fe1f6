import CampaignDomain
import Kernel
import Testing

@Suite("The campaign store's product list")
struct CampaignProductTests {
  private func query(
    search: String? = nil, platform: String? = nil, type: DealType? = nil, size: Int32 = 50, after: Cursor? = nil,
    agency: PartyCode? = nil
  ) throws -> ProductQuery {
    let page = try PageRequest(
      size: size, cursor: after?.text(filters: []) ?? "", includeTotal: true, filters: [])
    return ProductQuery(
      mediatorCode: CampaignFixture.mediator, agencyCode: agency, search: search, platform: platform, dealType: type,
      page: page)
  }

  @Test("only live active deals of the mediator are listed, newest first", arguments: StoreKind.available)
  func visible(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      let other = CampaignFixture.code("MED_TWO")
      try await store.insertMissing(
        Catalog(
          campaigns: (1...5).map { CampaignFixture.campaign($0) },
          deals: [
            CampaignFixture.deal(1, at: 1), CampaignFixture.deal(2, at: 3), CampaignFixture.deal(3, at: 2),
            CampaignFixture.deal(4, at: 4, reasons: [.unpublished]), CampaignFixture.deal(5, at: 5, mediator: other),
            CampaignFixture.deal(6, at: 6, deleted: true),
          ]))
      let page = try await store.products(try query())
      #expect(page.items.map(\.deal.id) == [CampaignFixture.id(2), CampaignFixture.id(3), CampaignFixture.id(1)])
      #expect(page.next == nil)
      #expect(page.total == 3)
    }
  }

  @Test("what remains respects campaign, share and quota", arguments: StoreKind.available)
  func remaining(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(CampaignFixture.catalog(total: 9, limit: 7, quota: 4))
      let agency = CampaignFixture.agency
      #expect(try await store.products(try query()).items.map(\.remainingSlots) == [7])
      #expect(try await store.products(try query(agency: agency)).items.map(\.remainingSlots) == [4])
      _ = try await store.apply(
        .reserve(CampaignFixture.claim(order: 1)), requestID: nil, at: CampaignFixture.later)
      #expect(try await store.products(try query(agency: agency)).items.map(\.remainingSlots) == [3])
    }
  }

  @Test("a search is a literal substring in any case", arguments: StoreKind.available)
  func search(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      let titles = ["Phone (50% off)", "phone case", "Tablet", "a.b*c", "Ärmel"]
      try await store.insertMissing(
        Catalog(
          campaigns: (1...5).map { CampaignFixture.campaign($0) },
          deals: titles.enumerated().map { CampaignFixture.deal($0.offset + 1, at: $0.offset, title: $0.element) }))
      let expected: [(String, [String])] = [
        ("PHONE", ["phone case", "Phone (50% off)"]), ("(50% off)", ["Phone (50% off)"]), (".", ["a.b*c"]),
        ("b*c", ["a.b*c"]), ("^phone", []), ("ärm", ["Ärmel"]), ("$", []), ("\\", []), ("[a-z]", []),
        ("brand a", titles.reversed()),
      ]
      for (search, found) in expected {
        let page = try await store.products(try query(search: search))
        #expect(page.items.map(\.deal.listing.title) == found, "searching \(search)")
        #expect(page.total == Int64(found.count), "searching \(search)")
      }
    }
  }

  @Test("filters narrow the list", arguments: StoreKind.available)
  func filters(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(
        Catalog(
          campaigns: (1...3).map { CampaignFixture.campaign($0) },
          deals: [
            CampaignFixture.deal(1, at: 1), CampaignFixture.deal(2, at: 2, platform: "Flipkart"),
            CampaignFixture.deal(3, at: 3, type: .rating),
          ]))
      #expect(try await store.products(try query(platform: "Flipkart")).items.map(\.deal.id) == [CampaignFixture.id(2)])
      #expect(try await store.products(try query(type: .rating)).items.map(\.deal.id) == [CampaignFixture.id(3)])
      #expect(try await store.products(try query(platform: "Flipkart", type: .rating)).items.isEmpty)
    }
  }

  // Goal: no row twice, none missed. Method: equal times, so that the id decides, and a newer deal between the pages.
  @Test("pages neither repeat nor skip a deal when a newer one appears", arguments: StoreKind.available)
  func pages(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(
        Catalog(
          campaigns: (1...8).map { CampaignFixture.campaign($0) },
          deals: (1...7).map { CampaignFixture.deal($0, at: $0 / 3) }))
      var seen: [DealID] = []
      var cursor: Cursor?
      for number in 0..<4 {
        let page = try await store.products(try query(size: 2, after: cursor))
        seen += page.items.map(\.deal.id)
        #expect(page.items.count == (number < 3 ? 2 : 1))
        #expect(page.total == (number == 0 ? 7 : 8))
        cursor = page.next
        if number == 0 { try await store.insertMissing(Catalog(deals: [CampaignFixture.deal(8, at: 50)])) }
      }
      #expect(cursor == nil)
      #expect(seen == [7, 6, 5, 4, 3, 2, 1].map { CampaignFixture.id($0) })
    }
  }

  @Test("a page that ends with the last row says so", arguments: StoreKind.available)
  func exactPage(kind: StoreKind) async throws {
    try await kind.withCampaignStore { store in
      try await store.insertMissing(
        Catalog(
          campaigns: [CampaignFixture.campaign(1), CampaignFixture.campaign(2)],
          deals: [CampaignFixture.deal(1, at: 1), CampaignFixture.deal(2, at: 2)]))
      #expect(try await store.products(try query(size: 2)).next == nil)
      #expect(try await store.products(try query(size: 1)).next?.id.hex == "000000000000000000000002")
    }
  }
}
