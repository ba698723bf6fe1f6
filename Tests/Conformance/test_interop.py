"""gRPC's interoperability cases: stock clients against our server, our client against stock servers, ours against ours."""

import gzip
import json
import os
import pathlib
import struct
import subprocess
import threading

import grpc
import h2.config
import h2.connection
import h2.events
import pytest
import socket

from interop_grpcio import INITIAL, TRAILING, GrpcioServer
from interop_http2 import MisbehavingServer
from mobo_protos import load

BIN = pathlib.Path(os.environ["MOBO_BIN_DIR"])
LARGE_REQUEST, LARGE_RESPONSE = 271_828, 314_159
REQUESTS, RESPONSES = [27_182, 8, 1_828, 45_904], [31_415, 9, 2_653, 58_979]

EVERY_CASE = [
    "empty_unary", "cacheable_unary", "large_unary", "very_large_request", "client_streaming", "server_streaming",
    "ping_pong", "empty_stream", "client_compressed_unary", "server_compressed_unary", "client_compressed_streaming",
    "server_compressed_streaming", "custom_metadata", "status_code_and_message", "special_status_message",
    "unimplemented_method", "unimplemented_service", "cancel_after_begin", "cancel_after_first_response",
    "timeout_on_sleeping_server", "pick_first_unary", "rpc_soak", "channel_soak",
]
# A grpcio handler cannot see whether a message was compressed; these run against h2 and against our own server.
BEYOND_GRPCIO = {"client_compressed_unary", "client_compressed_streaming"}


@pytest.fixture(scope="module")
def address():
    process = subprocess.Popen([str(BIN / "interop-server"), "--port", "0"], stderr=subprocess.PIPE, text=True)
    try:
        line = json.loads(process.stderr.readline())
        assert line["message"] == "listening"
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield line["grpc"]
    finally:
        process.terminate()
        assert process.wait(timeout=15) == 0


@pytest.fixture(scope="module")
def grpcio_server():
    with GrpcioServer() as server:
        yield server


def run_client(port, case):
    return subprocess.run(
        [str(BIN / "interop-client"), "--server_host", "127.0.0.1", "--server_port", str(port), "--test_case", case],
        capture_output=True, text=True, timeout=60)


def expect_pass(port, case):
    result = run_client(port, case)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout == f"PASS {case}\n"


# Our client.


@pytest.mark.parametrize("case", EVERY_CASE)
def test_our_client_and_our_server(address, case):
    expect_pass(address.rsplit(":", 1)[1], case)


@pytest.mark.parametrize("case", [case for case in EVERY_CASE if case not in BEYOND_GRPCIO])
def test_our_client_and_a_grpcio_server(grpcio_server, case):
    expect_pass(grpcio_server.port, case)


def test_our_client_compresses_a_unary_request():
    with MisbehavingServer() as server:
        expect_pass(server.port, "client_compressed_unary")
    assert server.compressed == [False, True, False]


@pytest.mark.parametrize("case", ["rst_after_header", "rst_during_data", "rst_after_data", "ping", "data_frame_padding"])
def test_our_client_and_a_misbehaving_server(case):
    with MisbehavingServer(case) as server:
        expect_pass(server.port, case)
    assert server.connections == 1
    if case == "ping":
        assert server.ping_answers >= 1


def test_our_client_opens_a_new_connection_after_goaway():
    with MisbehavingServer("goaway") as server:
        expect_pass(server.port, "goaway")
    assert (server.connections, server.calls) == (2, 2)


def test_our_client_respects_the_number_of_streams():
    with MisbehavingServer("max_streams") as server:
        expect_pass(server.port, "max_streams")
    assert server.calls == 11
    # It may open a second connection rather than wait, but never a second stream on one.
    assert server.most_open_streams <= server.connections


def test_our_client_says_which_case_failed():
    with MisbehavingServer() as server:
        result = run_client(server.port, "rst_after_header")
    assert result.returncode == 1
    assert result.stdout.startswith("FAIL rst_after_header: ")


# Stock clients.


@pytest.fixture(scope="module")
def stub(address):
    options = [("grpc.max_receive_message_length", 16 << 20), ("grpc.max_send_message_length", 16 << 20)]
    with grpc.insecure_channel(address, options=options) as channel:
        yield load("grpc.testing.test_pb2_grpc").TestServiceStub(channel)


def messages():
    return load("grpc.testing.messages_pb2")


def large_request(**more):
    payload = messages().Payload(body=bytes(LARGE_REQUEST))
    return messages().SimpleRequest(response_size=LARGE_RESPONSE, payload=payload, **more)


def duplex_request(sent, wanted):
    parameters = [messages().ResponseParameters(size=wanted)]
    return messages().StreamingOutputCallRequest(
        response_parameters=parameters, payload=messages().Payload(body=bytes(sent)))


def flag(value):
    return messages().BoolValue(value=value)


def failure(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def test_empty_unary(stub):
    empty = load("grpc.testing.empty_pb2").Empty()
    assert stub.EmptyCall(empty, timeout=10) == empty


def test_large_unary(stub):
    assert stub.UnaryCall(large_request(), timeout=10).payload.body == bytes(LARGE_RESPONSE)


def test_very_large_request(stub):
    request = messages().SimpleRequest(response_size=1, payload=messages().Payload(body=bytes((4 << 20) - 64)))
    assert len(stub.UnaryCall(request, timeout=20).payload.body) == 1


def test_client_streaming(stub):
    requests = (messages().StreamingInputCallRequest(payload=messages().Payload(body=bytes(n))) for n in REQUESTS)
    assert stub.StreamingInputCall(requests, timeout=10).aggregated_payload_size == 74_922


def test_server_streaming(stub):
    parameters = [messages().ResponseParameters(size=size, interval_us=100) for size in RESPONSES]
    answers = stub.StreamingOutputCall(
        messages().StreamingOutputCallRequest(response_parameters=parameters), timeout=10)
    assert [len(answer.payload.body) for answer in answers] == RESPONSES


class Conversation:
    """Requests that are sent when the test says so."""

    def __init__(self):
        self._ready = threading.Condition()
        self._queue = []
        self._ended = False

    def send(self, request):
        with self._ready:
            self._queue.append(request)
            self._ready.notify()

    def end(self):
        with self._ready:
            self._ended = True
            self._ready.notify()

    def __iter__(self):
        return self

    def __next__(self):
        with self._ready:
            self._ready.wait_for(lambda: self._queue or self._ended)
            if self._queue:
                return self._queue.pop(0)
            raise StopIteration


def test_ping_pong(stub):
    requests = Conversation()
    answers = stub.FullDuplexCall(requests, timeout=10)
    for sent, wanted in zip(REQUESTS, RESPONSES):
        requests.send(duplex_request(sent, wanted))
        assert len(next(answers).payload.body) == wanted
    requests.end()
    assert list(answers) == []
    assert answers.code() == grpc.StatusCode.OK


def test_empty_stream(stub):
    assert list(stub.FullDuplexCall(iter([]), timeout=10)) == []


def test_half_duplex_answers_when_everything_was_asked(stub):
    answers = stub.HalfDuplexCall(iter([duplex_request(1, size) for size in RESPONSES]), timeout=10)
    assert [len(answer.payload.body) for answer in answers] == RESPONSES


@pytest.mark.parametrize("encoding", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_client_compressed_unary(stub, encoding):
    request = large_request(expect_compressed=flag(True))
    assert failure(lambda: stub.UnaryCall(request, timeout=10)).code() == grpc.StatusCode.INVALID_ARGUMENT
    assert len(stub.UnaryCall(request, timeout=10, compression=encoding).payload.body) == LARGE_RESPONSE


def test_client_compressed_streaming(stub):
    def requests(expected):
        for size in (27_182, 45_904):
            yield messages().StreamingInputCallRequest(
                payload=messages().Payload(body=bytes(size)), expect_compressed=flag(expected))

    call = failure(lambda: stub.StreamingInputCall(requests(True), timeout=10))
    assert call.code() == grpc.StatusCode.INVALID_ARGUMENT
    answer = stub.StreamingInputCall(requests(True), timeout=10, compression=grpc.Compression.Gzip)
    assert answer.aggregated_payload_size == 73_086


@pytest.mark.parametrize("asked", [True, False])
def test_server_compressed_unary(stub, asked):
    answer = stub.UnaryCall(large_request(response_compressed=flag(asked)), timeout=10)
    assert answer.payload.body == bytes(LARGE_RESPONSE)


def test_server_compressed_streaming(stub):
    parameters = [
        messages().ResponseParameters(size=31_415, compressed=flag(True)),
        messages().ResponseParameters(size=92_653, compressed=flag(False)),
    ]
    answers = stub.StreamingOutputCall(
        messages().StreamingOutputCallRequest(response_parameters=parameters), timeout=10)
    assert [len(answer.payload.body) for answer in answers] == [31_415, 92_653]


def test_custom_metadata(stub):
    metadata = [(INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab")]
    answer, call = stub.UnaryCall.with_call(large_request(), timeout=10, metadata=metadata)
    assert len(answer.payload.body) == LARGE_RESPONSE
    assert dict(call.initial_metadata())[INITIAL] == "test_initial_metadata_value"
    assert dict(call.trailing_metadata())[TRAILING] == b"\xab\xab\xab"
    stream = stub.FullDuplexCall(iter([duplex_request(1, LARGE_RESPONSE)]), timeout=10, metadata=metadata)
    assert dict(stream.initial_metadata())[INITIAL] == "test_initial_metadata_value"
    assert [len(answer.payload.body) for answer in stream] == [LARGE_RESPONSE]
    assert dict(stream.trailing_metadata())[TRAILING] == b"\xab\xab\xab"


@pytest.mark.parametrize(
    "text", ["test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"])
def test_status_code_and_message(stub, text):
    status = messages().EchoStatus(code=2, message=text)
    error = failure(lambda: stub.UnaryCall(messages().SimpleRequest(response_status=status), timeout=10))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, text)
    request = messages().StreamingOutputCallRequest(response_status=status)
    error = failure(lambda: list(stub.FullDuplexCall(iter([request]), timeout=10)))
    assert (error.code(), error.details()) == (grpc.StatusCode.UNKNOWN, text)


def test_unimplemented(stub, address):
    empty = load("grpc.testing.empty_pb2").Empty()
    error = failure(lambda: stub.UnimplementedCall(empty, timeout=10))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    with grpc.insecure_channel(address) as channel:
        other = load("grpc.testing.test_pb2_grpc").UnimplementedServiceStub(channel)
        error = failure(lambda: other.UnimplementedCall(empty, timeout=10))
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_cancel_after_begin(stub):
    requests = Conversation()
    call = stub.StreamingInputCall.future(requests)
    call.cancel()
    assert call.cancelled() and call.code() == grpc.StatusCode.CANCELLED
    requests.end()


def test_cancel_after_first_response(stub):
    requests = Conversation()
    answers = stub.FullDuplexCall(requests)
    requests.send(duplex_request(REQUESTS[0], RESPONSES[0]))
    assert len(next(answers).payload.body) == RESPONSES[0]
    answers.cancel()
    assert failure(lambda: next(answers)).code() == grpc.StatusCode.CANCELLED
    requests.end()


def test_timeout_on_sleeping_server(stub):
    requests = Conversation()
    request = duplex_request(REQUESTS[0], 1)
    request.response_parameters[0].interval_us = 60_000_000
    requests.send(request)
    assert failure(lambda: list(stub.FullDuplexCall(requests, timeout=0.2))).code() == (
        grpc.StatusCode.DEADLINE_EXCEEDED)
    requests.end()


# What no gRPC client shows: the bytes.


def raw_unary(address, request, headers, framed=None):
    """The head, the messages with their flags, and the trailers of a call made frame by frame."""
    host, port = address.rsplit(":", 1)
    encoded = request.SerializeToString()
    body = framed or struct.pack(">BI", 0, len(encoded)) + encoded
    http2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
    with socket.create_connection((host, int(port)), timeout=10) as peer:
        http2.initiate_connection()
        http2.increment_flow_control_window(1 << 20)
        http2.send_headers(1, [
            (":method", "POST"), (":scheme", "http"), (":path", "/grpc.testing.TestService/UnaryCall"),
            (":authority", address), ("te", "trailers"), ("content-type", "application/grpc"), *headers])
        for begin in range(0, len(body), 16_384):
            http2.send_data(1, body[begin : begin + 16_384], end_stream=begin + 16_384 >= len(body))
        head, trailers, received = None, None, bytearray()
        peer.sendall(http2.data_to_send())
        while trailers is None:
            for event in http2.receive_data(peer.recv(65_536)):
                match event:
                    case h2.events.ResponseReceived():
                        head = dict(event.headers)
                    case h2.events.DataReceived():
                        received += event.data
                        http2.acknowledge_received_data(event.flow_controlled_length, 1)
                    case h2.events.TrailersReceived():
                        trailers = dict(event.headers)
                    case h2.events.StreamEnded() if trailers is None:
                        trailers = head
            peer.sendall(http2.data_to_send())
    found = []
    while received:
        compressed, length = struct.unpack(">BI", received[:5])
        found.append((compressed, bytes(received[5 : 5 + length])))
        del received[: 5 + length]
    return head, found, trailers


def test_an_answer_is_compressed_only_for_those_who_can_read_it(address):
    request = messages().SimpleRequest(response_size=10_000, response_compressed=flag(True))
    head, [(compressed, body)], trailers = raw_unary(address, request, [("grpc-accept-encoding", "identity,gzip")])
    assert (head[b"grpc-encoding"], compressed, trailers[b"grpc-status"]) == (b"gzip", 1, b"0")
    answer = messages().SimpleResponse.FromString(gzip.decompress(body))
    assert len(body) < 1_000 and len(answer.payload.body) == 10_000

    head, [(compressed, body)], _ = raw_unary(address, request, [])
    assert compressed == 0 and len(messages().SimpleResponse.FromString(body).payload.body) == 10_000


def test_an_unknown_encoding_is_refused_with_those_that_are_known(address):
    request = messages().SimpleRequest()
    head, found, trailers = raw_unary(address, request, [("grpc-encoding", "br")])
    assert (trailers[b"grpc-status"], found) == (b"12", [])
    assert set(trailers[b"grpc-accept-encoding"].split(b",")) == {b"identity", b"gzip", b"deflate"}


def test_a_compressed_flag_without_an_encoding_is_an_error(address):
    request = messages().SimpleRequest()
    encoded = gzip.compress(request.SerializeToString())
    _, _, trailers = raw_unary(address, request, [], framed=struct.pack(">BI", 1, len(encoded)) + encoded)
    assert trailers[b"grpc-status"] == b"13"


def test_a_message_that_inflates_beyond_the_limit_is_refused(address):
    bomb = gzip.compress(bytes(64 << 20))
    framed = struct.pack(">BI", 1, len(bomb)) + bomb
    _, _, trailers = raw_unary(address, messages().SimpleRequest(), [("grpc-encoding", "gzip")], framed=framed)
    assert trailers[b"grpc-status"] == b"8"
