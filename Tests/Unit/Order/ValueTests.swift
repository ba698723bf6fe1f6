import Kernel
import Testing

@testable import OrderDomain

@Suite("Values of an order")
struct ValueTests {
  @Test(
    "spellings of one marketplace order id are one id",
    arguments: [
      (" 403-12 34 ", "403-1234"), ("403-1234", "403-1234"), ("od#1/a:b_c.d-e", "OD#1/A:B_C.D-E"),
      ("abc", "ABC"), (String(repeating: "9", count: 128), String(repeating: "9", count: 128)),
    ])
  func normalises(spelling: String, stored: String) throws {
    #expect(try ExternalOrderID(parsing: spelling).rawValue == stored)
  }

  @Test(
    "what is no marketplace order id is refused",
    arguments: ["ab", "-abc", "_abc", "a b*c", "abcé", "a$bc", String(repeating: "9", count: 129)])
  func refusesMalformed(text: String) {
    #expect { try ExternalOrderID(parsing: text) } throws: { ($0 as? Failure)?.code == .validationFailed }
  }

  @Test("nothing but white space is a missing id", arguments: ["", "  \t "])
  func requiresID(text: String) {
    #expect { try ExternalOrderID(parsing: text) } throws: { ($0 as? Failure)?.code == .orderIdRequired }
  }

  static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 0]
  static let webp: [UInt8] = Array("RIFF".utf8) + [1, 2, 3, 4] + Array("WEBP".utf8)

  private func image(_ bytes: [UInt8], _ sizes: ClosedRange<Int> = 1...64) throws(Failure) -> ProofImage {
    try ProofImage(bytes, sizes: sizes, path: "purchaseProof.data") { _ in "digest" }
  }

  @Test("a picture's type is read from its first bytes")
  func recognisesPictures() throws {
    #expect(try image(Self.png).kind == .png)
    #expect(try image([0xFF, 0xD8, 0xFF, 0xE0]).kind == .jpeg)
    #expect(try image(Self.webp).kind == .webp)
  }

  @Test(
    "everything else is refused, pictures that carry script included",
    arguments: [
      [], Array("<svg xmlns='http://www.w3.org/2000/svg'/>".utf8), Array("<html></html>".utf8), Array("GIF89a".utf8),
      Array(ValueTests.png.prefix(7)), Array(ValueTests.webp.prefix(11)), [0xFF, 0xD8],
    ] as [[UInt8]])
  func refusesOthers(bytes: [UInt8]) {
    #expect { try image(bytes) } throws: { ($0 as? Failure)?.code == .invalidProofImage }
  }

  @Test("the size limits include both ends")
  func sizeLimits() throws {
    #expect(try image(Self.png, 12...12).bytes.count == 12)
    #expect { try image(Self.png, 13...64) } throws: { ($0 as? Failure)?.code == .invalidProofImage }
    #expect { try image(Self.png, 1...11) } throws: { ($0 as? Failure)?.code == .proofTooLarge }
  }

  @Test(
    "the platform's fee is rounded half up and the owner pays it on top",
    arguments: [
      (10_000, 250, 250), (10_000, 0, 0), (1_999, 250, 50), (2_020, 250, 51), (2_019, 250, 50), (1, 5_000, 1),
    ]
      as [(Int64, Int64, Int64)])
  func fee(payout: Int64, basisPoints: Int64, fee: Int64) throws {
    let economics = try Economics(commission: .zero, payout: Money(paise: payout), feeBasisPoints: basisPoints)
    #expect(economics.platformFee.paise == fee)
    #expect(try economics.ownerDebit().paise == payout + fee)
    #expect(economics.margin.paise == payout)
  }

  @Test("the cashback is at most the payout")
  func commissionWithinPayout() throws {
    let payout = Money(paise: 100)
    #expect(try Economics(commission: payout, payout: payout, feeBasisPoints: 0).margin == .zero)
    #expect { try Economics(commission: Money(paise: 101), payout: payout, feeBasisPoints: 0) } throws: {
      ($0 as? Failure)?.code == .invalidEconomics
    }
  }

  private func admits(_ ages: [Duration], pending: Int = 0) -> Bool {
    let moments = ages.map { Timestamp.start.advanced(by: .zero - $0) }
    return (try? VelocityLimits().admit(orderedAt: moments, pending: pending, now: .start)) != nil
  }

  @Test("ten orders fit into an hour and thirty into a day")
  func velocity() {
    #expect(admits(Array(repeating: .seconds(10), count: 9)))
    #expect(!admits(Array(repeating: .seconds(10), count: 10)))
    #expect(admits(Array(repeating: .seconds(7_200), count: 29)))
    #expect(!admits(Array(repeating: .seconds(7_200), count: 30)))
  }

  @Test("an order leaves a window exactly when the window's length has passed")
  func velocityEdges() {
    let nine = Array(repeating: Duration.seconds(1), count: 9)
    #expect(!admits(nine + [.seconds(3_600) - .milliseconds(1)]))
    #expect(admits(nine + [.seconds(3_600)]))
    let many = Array(repeating: Duration.seconds(7_200), count: 29)
    #expect(!admits(many + [.seconds(86_400) - .milliseconds(1)]))
    #expect(admits(many + [.seconds(86_400)]))
  }

  @Test("an order that waits for its slot takes a place")
  func velocityPending() {
    #expect(admits(Array(repeating: .seconds(1), count: 5), pending: 4))
    #expect(!admits(Array(repeating: .seconds(1), count: 5), pending: 5))
  }
}
