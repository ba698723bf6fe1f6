import AuditDomain
import Kernel
import Testing

@Suite("The audit store's contract")
struct AuditStoreTests {
  private static let start = Timestamp(milliseconds: 1_750_000_000_000)

  private func entry(
    _ event: String, action: String = "ORDER_CREATED", entity: String = "o-1", type: String = "Order",
    actor: String? = "000000000000000000000001",
    client: ClientDescription = ClientDescription(ip: nil, userAgent: nil), metadata: AuditMetadata = [:]
  ) -> AuditEntry {
    AuditEntry(
      eventID: event, occurredAt: Timestamp(milliseconds: 1_749_999_999_000), service: "order", actorUserID: actor,
      actorRoles: actor == nil ? [] : ["shopper"], action: action, entityType: type, entityID: entity,
      requestID: "r-1", client: client, metadata: metadata)
  }

  private func query(
    action: String? = nil, type: String? = nil, entity: String? = nil, actor: String? = nil, from: Timestamp? = nil,
    to: Timestamp? = nil, size: Int32 = 50, after: Cursor? = nil
  ) throws -> AuditQuery {
    AuditQuery(
      action: action, entityType: type, entityID: entity, actorUserID: actor, from: from, to: to,
      page: try PageRequest(size: size, cursor: after?.text(filters: []) ?? "", includeTotal: true, filters: []))
  }

  @Test("an entry comes back as it was given", arguments: StoreKind.available)
  func roundTrip(kind: StoreKind) async throws {
    try await kind.withAuditStore { store in
      let full = entry(
        "e-1", client: ClientDescription(ip: "2001:db8::7", userAgent: "tests/1 (x)"),
        metadata: [
          "text": .string("₹ and \u{0} and $set"), "amountPaise": .string("9223372036854775807"), "flag": .bool(true),
          "none": .null, "ratio": .number(0.1),
          "list": .list([.string("a"), .list([]), .object(["b": .number(-1)])]), "empty": .object([:]),
        ])
      let bare = entry("e-2", actor: nil)
      let added = try await store.append([full, bare], at: Self.start)
      #expect(added == 2)
      let page = try await store.records(try query())
      #expect(page.items.map(\.entry) == [bare, full])
      #expect(page.items.allSatisfy { $0.createdAt == Self.start })
      #expect(page.total == 2)
      #expect(page.next == nil)
    }
  }

  @Test("a known event id is left as it is", arguments: StoreKind.available)
  func idempotence(kind: StoreKind) async throws {
    try await kind.withAuditStore { store in
      let added = try await store.append([entry("e-1"), entry("e-2")], at: Self.start)
      #expect(added == 2)
      let later = Self.start.advanced(by: .seconds(5))
      let again = [entry("e-1", action: "FORGED"), entry("e-3"), entry("e-2", action: "FORGED")]
      #expect(try await store.append(again, at: later) == 1)
      #expect(try await store.append(again, at: later) == 0)
      let page = try await store.records(try query())
      #expect(page.items.map(\.entry.eventID) == ["e-3", "e-2", "e-1"])
      #expect(page.items.allSatisfy { $0.entry.action == "ORDER_CREATED" })
    }
  }

  @Test("the first of two entries with one event id in a batch counts", arguments: StoreKind.available)
  func twins(kind: StoreKind) async throws {
    try await kind.withAuditStore { store in
      let twins = [entry("e-1", action: "FIRST"), entry("e-1", action: "SECOND"), entry("e-2")]
      let added = try await store.append(twins, at: Self.start)
      #expect(added == 2)
      #expect(try await store.records(try query(action: "SECOND")).items.isEmpty)
      #expect(try await store.records(try query(action: "FIRST")).items.count == 1)
      #expect(try await store.append([], at: Self.start) == 0)
    }
  }

  // Goal: at-least-once delivery ends as exactly once. Method: eight relays deliver overlapping batches at once.
  @Test("concurrent deliveries of the same entries store each once", arguments: StoreKind.available)
  func concurrency(kind: StoreKind) async throws {
    try await kind.withAuditStore { store in
      let batches = (0..<8).map { offset in (0..<100).map { entry("e-\(offset * 10 + $0)") } }
      let added = try await withThrowingTaskGroup(of: Int.self) { group in
        for batch in batches { group.addTask { try await store.append(batch, at: Self.start) } }
        return try await group.reduce(0, +)
      }
      #expect(added == 170)
      let page = try await store.records(try query(size: 200))
      #expect(page.items.count == 170)
      #expect(Set(page.items.map(\.entry.eventID)).count == 170)
    }
  }

  @Test("a full batch is stored at once", arguments: StoreKind.available)
  func fullBatch(kind: StoreKind) async throws {
    try await kind.withAuditStore { store in
      let large = AuditMetadata(["text": .string(String(repeating: "x", count: 16_000))])
      let batch = (0..<AuditLimits.batchEntriesMax).map { entry("e-\($0)", metadata: large) }
      let added = try await store.append(batch, at: Self.start)
      #expect(added == 500)
      #expect(try await store.append(batch, at: Self.start) == 0)
      #expect(try await store.records(try query(size: 1)).total == 500)
    }
  }

  @Test("every filter narrows the list, and they combine", arguments: StoreKind.available)
  func filters(kind: StoreKind) async throws {
    try await kind.withAuditStore { store in
      for (second, new) in [
        entry("e-0"), entry("e-1", action: "ORDER_SETTLED"), entry("e-2", entity: "o-2"),
        entry("e-3", type: "Wallet"), entry("e-4", actor: "SYSTEM"), entry("e-5", actor: nil),
      ].enumerated() {
        _ = try await store.append([new], at: Self.start.advanced(by: .seconds(second)))
      }
      func events(_ query: AuditQuery) async throws -> [String] {
        try await store.records(query).items.map(\.entry.eventID)
      }
      #expect(try await events(query(action: "ORDER_SETTLED")) == ["e-1"])
      #expect(try await events(query(entity: "o-2")) == ["e-2"])
      #expect(try await events(query(type: "Wallet")) == ["e-3"])
      #expect(try await events(query(actor: "SYSTEM")) == ["e-4"])
      #expect(try await events(query(type: "Order", entity: "o-1")) == ["e-5", "e-4", "e-1", "e-0"])
      #expect(try await events(query(action: "$ne")) == [])
      // From is inclusive, to is exclusive.
      let second = Self.start.advanced(by: .seconds(1))
      let fourth = Self.start.advanced(by: .seconds(3))
      #expect(try await events(query(from: second, to: fourth)) == ["e-2", "e-1"])
      #expect(try await events(query(action: "ORDER_SETTLED", from: second, to: second)) == [])
    }
  }

  @Test("pages neither repeat nor skip an entry while new ones arrive", arguments: StoreKind.available)
  func pages(kind: StoreKind) async throws {
    try await kind.withAuditStore { store in
      _ = try await store.append((0..<7).map { entry("e-\($0)") }, at: Self.start)
      var seen: [String] = []
      var cursor: Cursor?
      for number in 0..<4 {
        let page = try await store.records(try query(size: 2, after: cursor))
        seen += page.items.map(\.entry.eventID)
        cursor = page.next
        _ = try await store.append([entry("new-\(number)")], at: Self.start.advanced(by: .seconds(1)))
      }
      #expect(cursor == nil)
      #expect(seen == (0..<7).reversed().map { "e-\($0)" })
    }
  }
}
