/// The cases, by the names that gRPC gives them.
enum TestCase: String, CaseIterable, Sendable {
  case emptyUnary = "empty_unary"
  case cacheableUnary = "cacheable_unary"
  case largeUnary = "large_unary"
  case veryLargeRequest = "very_large_request"
  case clientStreaming = "client_streaming"
  case serverStreaming = "server_streaming"
  case pingPong = "ping_pong"
  case emptyStream = "empty_stream"
  case clientCompressedUnary = "client_compressed_unary"
  case serverCompressedUnary = "server_compressed_unary"
  case clientCompressedStreaming = "client_compressed_streaming"
  case serverCompressedStreaming = "server_compressed_streaming"
  case customMetadata = "custom_metadata"
  case statusCodeAndMessage = "status_code_and_message"
  case specialStatusMessage = "special_status_message"
  case unimplementedMethod = "unimplemented_method"
  case unimplementedService = "unimplemented_service"
  case cancelAfterBegin = "cancel_after_begin"
  case cancelAfterFirstResponse = "cancel_after_first_response"
  case timeoutOnSleepingServer = "timeout_on_sleeping_server"
  case pickFirstUnary = "pick_first_unary"
  case rpcSoak = "rpc_soak"
  case channelSoak = "channel_soak"
  // From here on the server misbehaves on the level of HTTP/2.
  case goAway = "goaway"
  case resetAfterHeader = "rst_after_header"
  case resetDuringData = "rst_during_data"
  case resetAfterData = "rst_after_data"
  case ping
  case maxStreams = "max_streams"
  case dataFramePadding = "data_frame_padding"

  var needsMisbehavingServer: Bool {
    switch self {
    case .goAway, .resetAfterHeader, .resetDuringData, .resetAfterData, .ping, .maxStreams, .dataFramePadding: true
    default: false
    }
  }

  func run(_ peer: Peer) async throws {
    switch self {
    case .emptyUnary: try await UnaryCases.empty(peer)
    case .cacheableUnary: try await UnaryCases.cacheable(peer)
    case .largeUnary: try await peer.largeUnary()
    case .veryLargeRequest: try await UnaryCases.veryLarge(peer)
    case .clientStreaming: try await StreamingCases.client(peer)
    case .serverStreaming: try await StreamingCases.server(peer)
    case .pingPong: try await StreamingCases.pingPong(peer)
    case .emptyStream: try await StreamingCases.empty(peer)
    case .clientCompressedUnary: try await CompressionCases.clientUnary(peer)
    case .serverCompressedUnary: try await CompressionCases.serverUnary(peer)
    case .clientCompressedStreaming: try await CompressionCases.clientStreaming(peer)
    case .serverCompressedStreaming: try await CompressionCases.serverStreaming(peer)
    case .customMetadata: try await StatusCases.customMetadata(peer)
    case .statusCodeAndMessage: try await StatusCases.codeAndMessage(peer)
    case .specialStatusMessage: try await StatusCases.specialMessage(peer)
    case .unimplementedMethod: try await StatusCases.unimplementedMethod(peer)
    case .unimplementedService: try await StatusCases.unimplementedService(peer)
    case .cancelAfterBegin: try await StreamingCases.cancelAfterBegin(peer)
    case .cancelAfterFirstResponse: try await StreamingCases.cancelAfterFirstResponse(peer)
    case .timeoutOnSleepingServer: try await StreamingCases.timeoutOnSleepingServer(peer)
    case .pickFirstUnary: try await UnaryCases.pickFirst(peer)
    case .rpcSoak: try await UnaryCases.soak(peer)
    case .channelSoak: try await UnaryCases.channelSoak(peer)
    case .goAway: try await HTTP2Cases.goAway(peer)
    case .resetAfterHeader, .resetDuringData, .resetAfterData: try await HTTP2Cases.reset(peer)
    case .ping: try await peer.largeUnary()
    case .maxStreams: try await HTTP2Cases.maxStreams(peer)
    case .dataFramePadding: try await peer.largeUnary()
    }
  }
}
