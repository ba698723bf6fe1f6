import GRPCCore
import GRPCNIOTransportHTTP2Posix
import GRPCProtobuf

/// The peer "swift": bench.v1.Echo on grpc-swift-2, `echo-server PORT`.
@main
struct EchoServer {
  static func main() async throws {
    guard CommandLine.arguments.count == 2, let port = Int(CommandLine.arguments[1]) else {
      fatalError("usage: echo-server PORT")
    }
    let transport = HTTP2ServerTransport.Posix(
      address: .ipv4(host: "127.0.0.1", port: port), transportSecurity: .plaintext,
      config: .defaults { $0.http2.maxConcurrentStreams = 1_000 })
    try await GRPCServer(transport: transport, services: [Echo()]).serve()
  }
}

/// Registered by hand with the library's own protobuf coders, which is what its generated code does as well.
struct Echo: RegistrableRPCService {
  func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
    router.registerHandler(
      forMethod: MethodDescriptor(fullyQualifiedService: "bench.v1.Echo", method: "Unary"),
      deserializer: ProtobufDeserializer<Bench_V1_Payload>(), serializer: ProtobufSerializer<Bench_V1_Payload>()
    ) { request, _ in
      let single = try await ServerRequest(stream: request)
      return StreamingServerResponse(single: ServerResponse(message: single.message))
    }
  }
}
