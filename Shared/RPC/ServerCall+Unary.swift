internal import HTTP2
internal import Kernel

// Calls with one message each way, and the first half of all calls with one request message.

extension ServerCall {
  /// Puts the request's only message together.
  func receiveMessage(_ bytes: RawSpan, isEnd: Bool) {
    var offset = 0
    do throws(MessageAssembler.Refusal) {
      while let next = try assembler.next(in: bytes, from: &offset) {
        guard message == nil else { return refuse(RPCError.requestCardinality) }
        message = next
      }
    } catch {
      return refuse(RPCError(error))
    }
    if isEnd { return requestEnded() }
    // A message that is complete counts too: its sender may leave the stream open for as long as it likes.
    guard hold(assembler.heldBytes + (message?.count ?? 0)) else { return refuse(ServerCall.overdrawn) }
  }

  /// Runs the handler of a unary call and answers with what comes of it, unless the call is over already.
  @concurrent @inline(__always)
  func answer() async {
    if phase == .running, let context, let message = message.take(), let answer = method?.unaryAnswer {
      handlerBegins(context)
      let exchange = UnaryExchange(message, room: Framing.prefixBytes)
      do {
        succeed(try await core.chain.run(context) { try await answer(exchange, $0) }, context)
      } catch {
        fail(error, context)
      }
    }
    stream.workEnded()
  }

  /// `answer` has room for the prefix in front.
  private func succeed(_ answer: consuming [UInt8], _ context: CallContext) {
    guard phase == .running else { return }
    var frame = answer
    Framing.seal(&frame)
    let count = frame.count - Framing.prefixBytes
    guard count <= core.sentMessageBytesMax else { return fail(tooLarge(count), context) }
    let trailers = ending(context)
    do {
      try checkSendable(trailers, context)
      try sendHead(context)
      stream.send(try compressed(frame, context))
      stream.countMessageSent()
      succeed(trailers)
    } catch {
      fail(error, context)
    }
  }

  /// The failure of an answer above the limit.
  func tooLarge(_ count: Int) -> RPCError {
    RPCError(.resourceExhausted, "an answer of \(count) bytes exceeds the limit of \(core.sentMessageBytesMax)")
  }

  func checkSendable(_ trailers: Metadata, _ context: CallContext) throws {
    guard let violation = trailers.violation else { return }
    core.logger.error("unsendable trailers", metadata: logMetadata(context, violation))
    throw RPCError(Failure(.internalError, RPCError.maskedMessage))
  }
}
