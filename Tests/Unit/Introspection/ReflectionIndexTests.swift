import Messages
import RPC
import Testing

@testable import Introspection

@Suite("Reflection") struct ReflectionIndexTests {
  private let index = ReflectionIndex(
    services: ["mobo.wallet.v1.WalletService", "grpc.health.v1.Health"], protos: ProtoFile.all())

  /// The names of the files of an answer.
  private func names(_ question: ReflectionQuestion) -> [String] {
    guard case .files(let files) = index.answer(question) else { return [] }
    return files.map { DescriptorFields($0[...]).texts(1).first ?? "" }
  }

  @Test("the services are those of the process, sorted")
  func services() {
    #expect(index.answer(.services) == .services(["grpc.health.v1.Health", "mobo.wallet.v1.WalletService"]))
  }

  @Test("a file comes first, then everything it imports, each once")
  func closure() {
    let names = names(.fileByName("mobo/wallet/v1/wallet_service.proto"))
    #expect(names.first == "mobo/wallet/v1/wallet_service.proto")
    #expect(Set(names).count == names.count)
    #expect(
      Set(names).isSuperset(of: [
        "mobo/wallet/v1/wallet.proto", "mobo/common/v1/rules.proto", "mobo/common/v1/types.proto",
        "google/protobuf/timestamp.proto", "google/protobuf/descriptor.proto",
      ]))
  }

  @Test(
    "everything that has a name is found by it",
    arguments: [
      ("mobo.wallet.v1.WalletService", "mobo/wallet/v1/wallet_service.proto"),
      ("mobo.wallet.v1.WalletService.Deposit", "mobo/wallet/v1/wallet_service.proto"),
      ("mobo.wallet.v1.Wallet", "mobo/wallet/v1/wallet.proto"),
      ("mobo.wallet.v1.Wallet.currency", "mobo/wallet/v1/wallet.proto"),
      ("grpc.health.v1.HealthCheckResponse.ServingStatus", "grpc/health/v1/health.proto"),
      ("grpc.health.v1.HealthCheckResponse.NOT_SERVING", "grpc/health/v1/health.proto"),
      ("mobo.common.v1.OwnerKind", "mobo/common/v1/types.proto"),
      ("mobo.common.v1.OWNER_KIND_BRAND", "mobo/common/v1/types.proto"),
      ("mobo.common.v1.method", "mobo/common/v1/rules.proto"),
      ("google.protobuf.Value.kind", "google/protobuf/struct.proto"),
    ])
  func symbols(symbol: String, file: String) {
    #expect(names(.fileContainingSymbol(symbol)).first == file)
  }

  @Test("extensions are found by what they extend and by number")
  func extensions() {
    let options = "google.protobuf.MethodOptions"
    #expect(
      names(.fileContainingExtension(type: options, number: 50_001)).first == "mobo/common/v1/rules.proto")
    #expect(index.answer(.extensionNumbers(type: options)) == .extensionNumbers(type: options, [50_001]))
    let wallet = "mobo.wallet.v1.Wallet"
    #expect(index.answer(.extensionNumbers(type: wallet)) == .extensionNumbers(type: wallet, []))
  }

  @Test(
    "what this process does not have is refused",
    arguments: [
      ReflectionQuestion.fileByName("mobo/order/v1/order.proto"), .fileByName(""),
      .fileContainingSymbol("mobo.order.v1.OrderService"), .fileContainingSymbol(".mobo.wallet.v1.WalletService"),
      .fileContainingSymbol("mobo.wallet.v1"), .fileContainingExtension(type: "mobo.wallet.v1.Wallet", number: 1),
      .fileContainingExtension(type: "google.protobuf.MethodOptions", number: 50_002),
      .extensionNumbers(type: "mobo.order.v1.Order"), .extensionNumbers(type: "mobo.wallet.v1.WalletService"),
    ])
  func refusals(question: ReflectionQuestion) {
    guard case .refusal(let code, _) = index.answer(question) else {
      Issue.record("\(question) was answered")
      return
    }
    #expect(code == .notFound)
  }

  @Test("a request that asks for nothing is refused as such")
  func nothing() {
    guard case .refusal(let code, _) = index.answer(.unknown) else {
      Issue.record("it was answered")
      return
    }
    #expect(code == .invalidArgument)
  }
}
