public import Messages
public import RPC
public import Stubs

/// `grpc.reflection.v1.ServerReflection` and its older version, which differs in its name alone.
public struct ReflectionService: Sendable {
  /// The bindings of both versions.
  ///
  /// - Parameter services: the full names of the other services of the process. Reflection itself is added to them.
  public static func bindings(for services: [String]) -> [any ServiceBinding] {
    let own = [ServerReflectionMethods.service, ServerReflectionV1alphaMethods.service]
    let service = ReflectionService(services: services + own)
    return [ServerReflectionBinding(service), ServerReflectionV1alphaBinding(service)]
  }

  private let index: ReflectionIndex

  private init(services: [String]) {
    index = ReflectionIndex(services: services, protos: ProtoFile.all())
  }
}

extension ReflectionService: ServerReflectionHandlers {
  public func serverReflectionInfo(
    _ requests: MessageStream<GrpcReflectionV1.ServerReflectionRequest>, _ context: CallContext,
    _ responses: ResponseWriter<GrpcReflectionV1.ServerReflectionResponse>
  ) async throws {
    for try await request in requests {
      try await responses.write(
        GrpcReflectionV1.ServerReflectionResponse(
          validHost: request.host, originalRequest: request, messageResponse: Self.answer(request, index)))
    }
  }

  private static func answer(
    _ request: GrpcReflectionV1.ServerReflectionRequest, _ index: ReflectionIndex
  ) -> GrpcReflectionV1.ServerReflectionResponse.MessageResponse {
    let question: ReflectionQuestion =
      switch request.messageRequest {
      case .fileByFilename(let name): .fileByName(name)
      case .fileContainingSymbol(let symbol): .fileContainingSymbol(symbol)
      case .fileContainingExtension(let wanted):
        .fileContainingExtension(type: wanted.containingType, number: wanted.extensionNumber)
      case .allExtensionNumbersOfType(let type): .extensionNumbers(type: type)
      case .listServices: .services
      case nil: .unknown
      }
    switch index.answer(question) {
    case .files(let files): return .fileDescriptorResponse(.init(fileDescriptorProto: files))
    case .extensionNumbers(let type, let numbers):
      return .allExtensionNumbersResponse(.init(baseTypeName: type, extensionNumber: numbers))
    case .services(let names): return .listServicesResponse(.init(service: names.map { .init(name: $0) }))
    case .refusal(let code, let message):
      return .errorResponse(.init(errorCode: Int32(code.rawValue), errorMessage: message))
    }
  }
}

extension ReflectionService: ServerReflectionV1alphaHandlers {
  public func serverReflectionInfo(
    _ requests: MessageStream<GrpcReflectionV1alpha.ServerReflectionRequest>, _ context: CallContext,
    _ responses: ResponseWriter<GrpcReflectionV1alpha.ServerReflectionResponse>
  ) async throws {
    for try await request in requests {
      // The same fields with the same numbers: the bytes of one version are a message of the other.
      let newer = try GrpcReflectionV1.ServerReflectionRequest(serialized: request.serialized())
      let answer = GrpcReflectionV1.ServerReflectionResponse(
        validHost: request.host, originalRequest: newer, messageResponse: Self.answer(newer, index))
      try await responses.write(
        GrpcReflectionV1alpha.ServerReflectionResponse(serialized: answer.serialized()))
    }
  }
}
