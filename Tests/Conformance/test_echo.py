"""A stock gRPC client against the RPC runtime: bench-echo has nothing of its own, so what fails here is the runtime."""

import concurrent.futures
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading

import grpc
import pytest

from mobo_protos import load

MIB = 1 << 20
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.fixture(scope="module")
def server():
    """A bench-echo of our own: its process, and where it listens."""
    binary = pathlib.Path(os.environ["MOBO_BIN_DIR"]) / "bench-echo"
    process = subprocess.Popen([str(binary), "--port", "0", "--threads", "2"], stderr=subprocess.PIPE, text=True)
    try:
        line = json.loads(process.stderr.readline())
        assert line["message"] == "listening"
        # Whatever else it says must not fill the pipe.
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process, line["grpc"]
    finally:
        process.terminate()
        assert process.wait(timeout=15) == 0


@pytest.fixture()
def address(server):
    return server[1]


@pytest.fixture()
def channel(address):
    with grpc.insecure_channel(address, options=UNLIMITED) as channel:
        yield channel


@pytest.fixture()
def echo(channel):
    stub = load("bench.v1.echo_pb2_grpc").EchoStub(channel)
    return stub.Unary


def payload(data):
    return load("bench.v1.echo_pb2").Payload(data=data)


def failure(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("size", [0, 1, 16, 4096, 16_384, 65_535, 65_536, MIB])
def test_messages_come_back_as_they_went(echo, size):
    data = os.urandom(size)
    assert echo(payload(data), timeout=20).data == data


# The payload's own field adds a tag and a length of four bytes.
@pytest.mark.parametrize("size, accepted", [(4 * MIB - 5, True), (4 * MIB - 4, False)])
def test_the_message_limit_is_four_mebibytes(echo, size, accepted):
    if accepted:
        assert len(echo(payload(b"x" * size), timeout=20).data) == size
    else:
        assert failure(lambda: echo(payload(b"x" * size), timeout=20)).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_connection_survives_a_refused_message(echo):
    failure(lambda: echo(payload(b"x" * (5 * MIB)), timeout=20))
    for _ in range(20):
        assert echo(payload(b"y"), timeout=20).data == b"y"


def test_five_hundred_calls_at_once(echo):
    calls = [echo.future(payload(b"%d" % number), timeout=30) for number in range(500)]
    assert [call.result().data for call in calls] == [b"%d" % number for number in range(500)]


def test_many_channels_at_once(address):
    def run(number):
        with grpc.insecure_channel(address) as channel:
            unary = load("bench.v1.echo_pb2_grpc").EchoStub(channel).Unary
            return unary(payload(b"%d" % number), timeout=30).data == b"%d" % number

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert all(pool.map(run, range(60)))


@pytest.mark.parametrize("path", ["/bench.v1.Echo/Nothing", "/bench.v1.Nothing/Unary", "/"])
def test_unknown_methods_are_unimplemented(channel, path):
    error = failure(lambda: channel.unary_unary(path)(b"", timeout=20))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert ("mobo-error-code", "UNIMPLEMENTED") in [tuple(item) for item in error.trailing_metadata()]


def test_rich_details_name_the_reason(channel):
    error = failure(lambda: channel.unary_unary("/bench.v1.Echo/Nothing")(b"", timeout=20))
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    status = load("google.rpc.status_pb2").Status.FromString(details)
    info = load("google.rpc.error_details_pb2").ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (status.code, info.reason, info.domain) == (12, "UNIMPLEMENTED", "mobo")


def test_a_deadline_that_cannot_be_met_is_exceeded(server, echo):
    """The server is stopped, so that the deadline passes whatever the machine does; then it goes on as before."""
    process, _ = server
    assert echo(payload(b"x"), timeout=20).data == b"x"
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)  # Else its threads may still answer.
    try:
        assert failure(lambda: echo(payload(b"x"), timeout=0.2)).code() == grpc.StatusCode.DEADLINE_EXCEEDED
    finally:
        process.send_signal(signal.SIGCONT)
    assert echo(payload(b"y"), timeout=20).data == b"y"


@pytest.mark.parametrize("encoding", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_messages_are_read(echo, encoding):
    assert echo(payload(b"x" * 1000), timeout=20, compression=encoding).data == b"x" * 1000


def test_garbage_is_an_invalid_argument(channel):
    error = failure(lambda: channel.unary_unary("/bench.v1.Echo/Unary")(b"\x0a\xff", timeout=20))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_the_correlation_id_comes_back(echo):
    _, call = echo.with_call(payload(b""), timeout=20, metadata=[("x-request-id", "id-1"), ("some-bin", b"\0\xff")])
    assert ("x-request-id", "id-1") in [tuple(item) for item in call.trailing_metadata()]


@pytest.mark.parametrize("size, accepted", [(8 << 10, True), (17 << 10, False)])
def test_metadata_is_limited_to_sixteen_kibibytes(echo, size, accepted):
    def call():
        return echo(payload(b""), timeout=20, metadata=[("large", "v" * size)])

    if accepted:
        assert call().data == b""
    else:
        assert failure(call).code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_cancelled_calls_leave_the_connection_usable(echo):
    for _ in range(200):
        echo.future(payload(b"x" * 1000), timeout=20).cancel()
    assert echo(payload(b"y"), timeout=20).data == b"y"


def test_what_is_no_http2_is_cut_off(address):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        while connection.recv(4096):
            pass


def test_a_stop_finishes_what_runs():
    binary = pathlib.Path(os.environ["MOBO_BIN_DIR"]) / "bench-echo"
    process = subprocess.Popen([str(binary), "--port", "0"], stderr=subprocess.PIPE, text=True)
    address = json.loads(process.stderr.readline())["grpc"]
    with grpc.insecure_channel(address) as channel:
        unary = load("bench.v1.echo_pb2_grpc").EchoStub(channel).Unary
        assert unary(payload(b"x"), timeout=20).data == b"x"
        calls = [unary.future(payload(b"x" * 10_000), timeout=20) for _ in range(200)]
        process.terminate()
        codes = {call.code() for call in calls}
    # Sent before the stop: answered. Sent after it: refused by a closed port. Nothing is lost half-way.
    assert codes <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
    assert process.wait(timeout=15) == 0
