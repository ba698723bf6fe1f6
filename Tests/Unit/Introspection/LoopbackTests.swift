import Introspection
import Kernel
import Logging
import Messages
import RPC
import Stubs
import Testing

/// Our own clients against our own services, over a socket.
@Suite("Introspection over a connection") struct IntrospectionLoopbackTests {
  private let statuses = HealthStatuses()
  private let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

  private func serve(_ body: (RPCChannel) async throws -> Void) async throws {
    let statuses = statuses
    statuses.update(["": .serving])
    let server = RPCServer(
      RPCServerConfiguration(host: "127.0.0.1", port: 0),
      services: IntrospectionServices.bindings(beside: [], health: statuses, channelz: Channelz()), logger: quiet)
    let port = try await server.start().port
    let channel = RPCChannel(target: "127.0.0.1:\(port)", logger: quiet)
    let result: Result<Void, any Error>
    do { result = .success(try await body(channel)) } catch { result = .failure(error) }
    await channel.close(within: .zero)
    await server.shutdownGracefully(within: .zero)
    try result.get()
  }

  @Test("a watch hears of changes and of the end")
  func watch() async throws {
    try await serve { channel in
      let statuses = statuses
      let heard = try await HealthClient(channel).watch(.init()) { responses in
        var heard: [GrpcHealthV1.HealthCheckResponse.ServingStatus] = []
        do {
          for try await response in responses {
            heard.append(response.status)
            if heard.count == 1 { statuses.update(["": .notServing]) } else { statuses.endWatches() }
          }
        } catch let failure as Failure {
          #expect(failure.kind == .unavailable)
        }
        return heard
      }
      #expect(heard == [.serving, .notServing])
    }
  }

  @Test("questions and answers take turns in both versions of reflection")
  func reflection() async throws {
    try await serve { channel in
      let names = try await ServerReflectionClient(channel).serverReflectionInfo { requests, responses in
        var answers = responses.makeAsyncIterator()
        try await requests.write(.init(messageRequest: .fileByFilename("no/such.proto")))
        guard case .errorResponse(let refusal) = try await answers.next()?.messageResponse else { return [String]() }
        #expect(refusal.errorCode == Int32(StatusCode.notFound.rawValue))
        try await requests.write(.init(host: "h", messageRequest: .listServices("")))
        let answer = try await answers.next()
        #expect(answer?.validHost == "h")
        #expect(answer?.originalRequest?.messageRequest == .listServices(""))
        guard case .listServicesResponse(let list) = answer?.messageResponse else { return [] }
        try await requests.finish()
        #expect(try await answers.next() == nil)
        return list.service.map(\.name)
      }
      let older = try await ServerReflectionV1alphaClient(channel).serverReflectionInfo { requests, responses in
        try await requests.write(.init(messageRequest: .listServices("")))
        try await requests.finish()
        var names: [String] = []
        for try await answer in responses {
          if case .listServicesResponse(let list) = answer.messageResponse { names += list.service.map(\.name) }
        }
        return names
      }
      #expect(names == older)
      #expect(names.contains("grpc.reflection.v1alpha.ServerReflection") && names.contains("grpc.channelz.v1.Channelz"))
    }
  }
}
