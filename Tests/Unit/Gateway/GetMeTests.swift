import GatewayAPI
import Kernel
import Logging
import Messages
import RPC
import Stubs
import Testing

/// Goal: how the two answers are joined. Method: the real clients over loopback, with services inside the test.
@Suite("GatewayService.GetMe")
struct GetMeTests {
  @Test("identity's answer comes with the wallet")
  func joined() async throws {
    let me = try await getMe { WalletV1.GetWalletResponse(wallet: WalletV1.Wallet(id: "w-1", availablePaise: 7)) }
    #expect(me.user?.name == "Somebody")
    #expect(me.connections.count == 1)
    #expect(me.wallet?.availablePaise == 7)
  }

  @Test("who has no wallet gets an answer without one")
  func noWallet() async throws {
    let me = try await getMe { throw Failure(.walletNotFound, "there is no wallet") }
    #expect(me.user?.name == "Somebody")
    #expect(me.wallet == nil)
  }

  @Test("any other failure of a service is the answer", arguments: [ErrorCode.forbidden, .upstreamSuspended])
  func failure(code: ErrorCode) async {
    let failure = await #expect(throws: Failure.self) { try await getMe { throw Failure(code, "no") } }
    #expect(failure?.code == code)
  }

  private func getMe(
    wallet: @escaping @Sendable () throws -> WalletV1.GetWalletResponse
  ) async throws -> GatewayV1.GetMeResponse {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let server = RPCServer(
      RPCServerConfiguration(host: "127.0.0.1", port: 0), interceptors: [],
      services: [IdentityServiceBinding(OnePerson()), OneWallet(answer: wallet)], logger: logger)
    let (host, port) = try await server.start()
    let channel = RPCChannel(target: "\(host):\(port)", logger: logger)
    let service = GatewayService(identity: IdentityServiceClient(channel), wallet: WalletServiceClient(channel))
    let result: Result<GatewayV1.GetMeResponse, any Error>
    do {
      let context = CallContext(method: GatewayServiceMethods.getMe)
      result = .success(try await service.getMe(GatewayV1.GetMeRequest(), context))
    } catch {
      result = .failure(error)
    }
    await channel.close()
    await server.shutdownGracefully(within: .seconds(5))
    return try result.get()
  }
}

private struct OnePerson: IdentityServiceHandlers {
  func login(
    _ request: IdentityV1.LoginRequest, _ context: CallContext
  ) async throws -> IdentityV1.LoginResponse {
    throw Failure(.unimplemented, "nobody asked for this")
  }

  func getMe(
    _ request: IdentityV1.GetMeRequest, _ context: CallContext
  ) async throws -> IdentityV1.GetMeResponse {
    IdentityV1.GetMeResponse(
      user: IdentityV1.User(id: "u-1", name: "Somebody"), connections: [IdentityV1.Connection(id: "c-1")])
  }
}

/// Wallet with the one method that is asked.
private struct OneWallet: ServiceBinding {
  let answer: @Sendable () throws -> WalletV1.GetWalletResponse

  var serviceName: String { WalletServiceMethods.service }

  var methods: [BoundMethod] {
    [
      BoundMethod(WalletServiceMethods.getWallet) { exchange, _ in try exchange.answer(answer()) }
    ]
  }
}
