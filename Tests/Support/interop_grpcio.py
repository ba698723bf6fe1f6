"""grpc.testing.TestService on stock grpcio: the peer that our client is tested against."""

import concurrent.futures
import time

import grpc

from mobo_protos import load

INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"


def _messages():
    return load("grpc.testing.messages_pb2")


def _echo_metadata(context):
    sent = dict(context.invocation_metadata())
    if INITIAL in sent:
        context.send_initial_metadata([(INITIAL, sent[INITIAL])])
    if TRAILING in sent:
        context.set_trailing_metadata([(TRAILING, sent[TRAILING])])


def _end_as_asked(request, context):
    if request.HasField("response_status") and request.response_status.code != 0:
        code = next(code for code in grpc.StatusCode if code.value[0] == request.response_status.code)
        context.abort(code, request.response_status.message)


def service():
    """The implementation; made late, because the protos are compiled when the tests run."""
    messages = _messages()
    base = load("grpc.testing.test_pb2_grpc").TestServiceServicer

    class TestService(base):
        def EmptyCall(self, request, context):
            return load("grpc.testing.empty_pb2").Empty()

        def UnaryCall(self, request, context):
            _echo_metadata(context)
            _end_as_asked(request, context)
            if request.response_compressed.value:
                context.set_compression(grpc.Compression.Gzip)
            name = "only" if request.fill_server_id else ""
            return messages.SimpleResponse(payload=_payload(request.response_size), server_id=name)

        CacheableUnaryCall = UnaryCall

        def StreamingOutputCall(self, request, context):
            if any(part.compressed.value for part in request.response_parameters):
                context.set_compression(grpc.Compression.Gzip)
            for part in request.response_parameters:
                if part.HasField("compressed") and not part.compressed.value:
                    context.disable_next_message_compression()
                yield _answer(part)

        def StreamingInputCall(self, requests, context):
            total = sum(len(request.payload.body) for request in requests)
            return messages.StreamingInputCallResponse(aggregated_payload_size=total)

        def FullDuplexCall(self, requests, context):
            _echo_metadata(context)
            for request in requests:
                _end_as_asked(request, context)
                for part in request.response_parameters:
                    yield _answer(part)

    def _payload(size):
        return messages.Payload(body=bytes(size))

    def _answer(part):
        if part.interval_us:
            time.sleep(part.interval_us / 1e6)
        return messages.StreamingOutputCallResponse(payload=_payload(part.size))

    return TestService()


class GrpcioServer:
    """A stock server on a free port of 127.0.0.1."""

    def __enter__(self):
        options = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20)]
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(16), options=options)
        load("grpc.testing.test_pb2_grpc").add_TestServiceServicer_to_server(service(), self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(grace=None).wait()
