import Kernel
import Messages
import RPC

// Calls with messages, one form for each kind of method; what generated clients are made of. Every status that is not
// OK is thrown as a `Failure`, by the call and by its streams.

extension RPCChannel {
  /// One request, one answer.
  func call<Request: Message, Response: Message>(
    _ method: MethodDescriptor, _ request: Request, _ options: CallOptions
  ) async throws -> Response {
    let body = try encoded(request)
    let bytes: [UInt8]
    do {
      bytes = try await unary(method, body, options: options)
    } catch {
      throw translated(error)
    }
    return try decoded(bytes, method)
  }

  /// One request, a stream of answers, which lasts as long as `body`.
  func serverStreaming<Request: Message, Response: Message, R: Sendable>(
    _ method: MethodDescriptor, _ request: Request, _ options: CallOptions,
    _ body: (ResponseStream<Response>) async throws -> R
  ) async throws -> R {
    let message = try encoded(request)
    do {
      return try await stream(method, options: options) { requests, responses in
        do {
          try await requests.write(message)
          try await requests.finish()
        } catch is RequestsEnded {
          // The server has answered without looking at it.
        }
        return try await body(typed(responses, method))
      }
    } catch {
      throw translated(error)
    }
  }

  /// A stream of requests, which `body` writes; one answer.
  func clientStreaming<Request: Message, Response: Message>(
    _ method: MethodDescriptor, _ options: CallOptions, _ body: (RequestWriter<Request>) async throws -> Void
  ) async throws -> Response {
    do {
      return try await stream(method, options: options) { requests, responses in
        do {
          try await body(typed(requests))
          try await requests.finish()
        } catch is RequestsEnded {
          // The server has answered without waiting for the rest.
        }
        var answers = responses.makeAsyncIterator()
        guard let bytes = try await answers.next() else {
          throw Failure(.internalError, "\(method) ended without an answer")
        }
        _ = try await answers.next()  // What the status says counts, too.
        return try decoded(bytes, method)
      }
    } catch {
      throw translated(error)
    }
  }

  /// A stream of requests and a stream of answers, both for as long as `body` runs.
  func bidirectional<Request: Message, Response: Message, R: Sendable>(
    _ method: MethodDescriptor, _ options: CallOptions,
    _ body: (RequestWriter<Request>, ResponseStream<Response>) async throws -> R
  ) async throws -> R {
    do {
      return try await stream(method, options: options) { requests, responses in
        try await body(typed(requests), typed(responses, method))
      }
    } catch {
      throw translated(error)
    }
  }
}

private func typed<Request: Message>(_ requests: RequestWriter<[UInt8]>) -> RequestWriter<Request> {
  RequestWriter<Request>(
    write: { message, compressed in
      let bytes = try encoded(message)
      do { try await requests.write(bytes, compressed: compressed) } catch { throw translated(error) }
    },
    finish: { try await requests.finish() })
}

private func typed<Response: Message>(
  _ responses: ResponseStream<[UInt8]>, _ method: MethodDescriptor
) -> ResponseStream<Response> {
  responses.converted({ try decoded($0, method) }, errors: translated)
}

private func encoded(_ message: some Message) throws(Failure) -> [UInt8] {
  do {
    return try message.serialized()
  } catch {
    throw Failure(error)  // Such as U+0000 in a text that somebody passed on.
  }
}

private func decoded<Response: Message>(_ bytes: [UInt8], _ method: MethodDescriptor) throws(Failure) -> Response {
  do {
    return try Response(serialized: bytes)
  } catch {
    throw Failure(.internalError, "\(method) answered with something that is not a \(Response.fullName)")
  }
}

@Sendable private func translated(_ error: any Error) -> any Error {
  guard let error = error as? RPCError else { return error }
  return Failure(error)
}
