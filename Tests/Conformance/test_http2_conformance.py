"""HTTP/2 case by case (RFC 9113), by frames that no well-behaved client sends; and h2spec, where it is installed."""

import os
import re
import shutil
import subprocess

import pytest

import mobo_frames as h2
from mobo_echo import EchoServer
from mobo_frames import (
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITY_FLAG, RST_STREAM,
    SETTINGS, RawConnection, frame, ping, priority, rst_stream, settings, window_update)

GET = ((":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "test"))
POST = ((":method", "POST"),) + GET[1:]
EVEN = 2


@pytest.fixture(scope="module")
def server():
    running = EchoServer()
    yield running
    assert running.close() == 0


@pytest.fixture()
def connection(server):
    with RawConnection(server.port) as connection:
        connection.ready()
        yield connection


def fields(*changes, base=GET):
    """A head with fields added behind, or in the place of those of the same name."""
    names = {name for name, _ in changes}
    return tuple(field for field in base if field[0] not in names) + changes


def without(name):
    return tuple(field for field in GET if field[0] != name)


def one(*parts):
    return lambda c: b"".join(parts)


def request(head=GET, flags=END_STREAM, stream=1):
    return lambda c: c.headers(stream, head, END_HEADERS | flags)


def after_request(*parts, flags=0, stream=1):
    return lambda c: c.headers(stream, GET, END_HEADERS | flags) + b"".join(parts)


def body(length, data):
    return lambda c: c.headers(1, fields(("content-length", str(length)), base=POST)) + frame(DATA, END_STREAM, 1, data)


# What ends the connection, and with which codes it may.
CONNECTION_ERRORS = {
    "DATA on the connection": (one(frame(DATA, END_STREAM, 0, b"x")), h2.PROTOCOL_ERROR),
    "DATA on an idle stream": (one(frame(DATA, END_STREAM, 1, b"x")), h2.PROTOCOL_ERROR),
    "DATA with too much padding": (
        after_request(frame(DATA, END_STREAM | PADDED, 1, b"\x06xxxxx")), h2.PROTOCOL_ERROR),
    "DATA behind END_STREAM": (after_request(frame(DATA, END_STREAM, 1, b"x"), flags=END_STREAM), h2.STREAM_CLOSED),
    "HEADERS on the connection": (lambda c: c.headers(0, GET), h2.PROTOCOL_ERROR),
    "HEADERS with an id of the server": (lambda c: c.headers(EVEN, GET, END_HEADERS | END_STREAM), h2.PROTOCOL_ERROR),
    "HEADERS with too much padding": (
        lambda c: frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + c.block(GET)), h2.PROTOCOL_ERROR),
    "HEADERS with an id below the last": (
        lambda c: c.headers(5, GET, END_HEADERS | END_STREAM) + c.headers(3, GET, END_HEADERS | END_STREAM),
        h2.PROTOCOL_ERROR),
    "HEADERS with an id below the last, later": (
        lambda c: (c.send(c.headers(5, GET, END_HEADERS | END_STREAM)), c.answer(5),
                   c.headers(3, GET, END_HEADERS | END_STREAM))[-1], h2.PROTOCOL_ERROR),
    "HEADERS on a closed stream": (
        lambda c: (c.send(c.headers(1, GET, END_HEADERS | END_STREAM)), c.answer(1),
                   c.headers(1, GET, END_HEADERS | END_STREAM))[-1], h2.STREAM_CLOSED),
    "HEADERS behind END_STREAM": (
        lambda c: c.headers(1, GET, END_HEADERS | END_STREAM) * 2, h2.STREAM_CLOSED),
    "HEADERS behind the client's reset": (
        lambda c: c.headers(1, GET) + rst_stream(1) + c.headers(1, GET, END_HEADERS | END_STREAM), h2.STREAM_CLOSED),
    "another frame within a block": (
        lambda c: frame(HEADERS, END_STREAM, 1, c.block(GET)) + ping(), h2.PROTOCOL_ERROR),
    "another stream's HEADERS within a block": (
        lambda c: frame(HEADERS, END_STREAM, 1, c.block(GET)) + c.headers(3, GET), h2.PROTOCOL_ERROR),
    "an unknown frame within a block": (
        lambda c: frame(HEADERS, END_STREAM, 1, c.block(GET)) + frame(0xBE, 0, 1), h2.PROTOCOL_ERROR),
    "CONTINUATION without a block": (lambda c: frame(CONTINUATION, END_HEADERS, 1, c.block(GET)), h2.PROTOCOL_ERROR),
    "CONTINUATION behind a whole block": (
        lambda c: c.headers(1, GET) + frame(CONTINUATION, END_HEADERS, 1, c.block(GET)), h2.PROTOCOL_ERROR),
    "a block that is no HPACK": (one(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x40")), h2.COMPRESSION_ERROR),
    "a block with an index beyond the table": (
        one(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\x00")), h2.COMPRESSION_ERROR),
    "a block that makes the table too large": (
        lambda c: frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xe1\xff\x03" + c.block(GET)),
        h2.COMPRESSION_ERROR),
    "PRIORITY on the connection": (one(priority(0)), h2.PROTOCOL_ERROR),
    "RST_STREAM on the connection": (one(rst_stream(0)), h2.PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (one(rst_stream(1)), h2.PROTOCOL_ERROR),
    "RST_STREAM of three bytes": (after_request(frame(RST_STREAM, 0, 1, b"abc")), h2.FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (one(frame(SETTINGS, 0, 1)), h2.PROTOCOL_ERROR),
    "SETTINGS of five bytes": (one(frame(SETTINGS, 0, 0, b"abcde")), h2.FRAME_SIZE_ERROR),
    "an acknowledgement of SETTINGS with content": (one(frame(SETTINGS, h2.ACK, 0, b"x")), h2.FRAME_SIZE_ERROR),
    "ENABLE_PUSH of 2": (one(settings((h2.ENABLE_PUSH, 2))), h2.PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE of 2^31": (one(settings((h2.INITIAL_WINDOW_SIZE, 1 << 31))), h2.FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE of 16383": (one(settings((h2.MAX_FRAME_SIZE, 16_383))), h2.PROTOCOL_ERROR),
    "MAX_FRAME_SIZE of 2^24": (one(settings((h2.MAX_FRAME_SIZE, 1 << 24))), h2.PROTOCOL_ERROR),
    "PUSH_PROMISE of a client": (
        lambda c: frame(h2.PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02" + c.block(GET)), h2.PROTOCOL_ERROR),
    "PING on a stream": (one(frame(PING, 0, 1, b"12345678")), h2.PROTOCOL_ERROR),
    "PING of six bytes": (one(frame(PING, 0, 0, b"123456")), h2.FRAME_SIZE_ERROR),
    "GOAWAY on a stream": (one(frame(GOAWAY, 0, 1, bytes(8))), h2.PROTOCOL_ERROR),
    "WINDOW_UPDATE of zero on the connection": (one(window_update(0, 0)), h2.PROTOCOL_ERROR),
    "WINDOW_UPDATE of zero on a stream": (after_request(window_update(1, 0)), h2.PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": (one(window_update(1, 1)), h2.PROTOCOL_ERROR),
    "WINDOW_UPDATE of three bytes": (one(frame(h2.WINDOW_UPDATE, 0, 0, b"abc")), h2.FRAME_SIZE_ERROR),
    "a connection window above 2^31-1": (one(window_update(0, (1 << 31) - 1) * 2), h2.FLOW_CONTROL_ERROR),
    "a frame above the largest size": (
        after_request(frame(DATA, END_STREAM, 1, bytes(16_385))), h2.FRAME_SIZE_ERROR),
}

# What ends its stream and leaves the connection as it was.
STREAM_ERRORS = {
    "DATA behind the client's reset": (
        after_request(rst_stream(1) + frame(DATA, END_STREAM, 1, b"x")), h2.STREAM_CLOSED),
    "DATA on a closed stream": (
        lambda c: (c.send(c.headers(1, GET, END_HEADERS | END_STREAM)), c.answer(1),
                   frame(DATA, END_STREAM, 1, b"x"))[-1], h2.STREAM_CLOSED),
    "a stream's window above 2^31-1": (after_request(window_update(1, (1 << 31) - 1)), h2.FLOW_CONTROL_ERROR),
    "trailers without END_STREAM": (
        lambda c: c.headers(1, POST) + frame(DATA, 0, 1, b"x") + c.headers(1, (("x", "y"),)), h2.PROTOCOL_ERROR),
    "trailers with a pseudo-header": (
        lambda c: c.headers(1, POST) + c.headers(1, ((":method", "GET"),), END_HEADERS | END_STREAM),
        h2.PROTOCOL_ERROR),
    "an upper-case field name": (
        lambda c: frame(HEADERS, END_HEADERS | END_STREAM, 1, c.block(GET) + b"\x00\x01X\x01y"), h2.PROTOCOL_ERROR),
    "an unknown pseudo-header": (request(GET + ((":test", "x"),)), h2.PROTOCOL_ERROR),
    "a response's pseudo-header": (request(GET + ((":status", "200"),)), h2.PROTOCOL_ERROR),
    "a pseudo-header behind a field": (request((("x", "y"),) + GET), h2.PROTOCOL_ERROR),
    "connection": (request(GET + (("connection", "keep-alive"),)), h2.PROTOCOL_ERROR),
    "te other than trailers": (request(GET + (("te", "gzip"),)), h2.PROTOCOL_ERROR),
    "no :method": (request(without(":method")), h2.PROTOCOL_ERROR),
    "no :scheme": (request(without(":scheme")), h2.PROTOCOL_ERROR),
    "no :path": (request(without(":path")), h2.PROTOCOL_ERROR),
    "an empty :path": (request(without(":path") + ((":path", ""),)), h2.PROTOCOL_ERROR),
    "two :method": (request(GET + ((":method", "GET"),)), h2.PROTOCOL_ERROR),
    "two :scheme": (request(GET + ((":scheme", "http"),)), h2.PROTOCOL_ERROR),
    "two :path": (request(GET + ((":path", "/"),)), h2.PROTOCOL_ERROR),
    "less data than content-length": (body(5, b"four"), h2.PROTOCOL_ERROR),
    "more data than content-length": (body(3, b"four"), h2.PROTOCOL_ERROR),
}

# What is right, however unusual; a call on stream 1 follows it or is part of it.
ACCEPTED = {
    "a call cut into single bytes": lambda c: [bytes((byte,)) for byte in c.call(1)],
    "a head in CONTINUATION frames": lambda c: [
        (lambda block: frame(HEADERS, 0, 1, block[:1]) + frame(CONTINUATION, 0, 1, block[1:9])
         + frame(CONTINUATION, END_HEADERS, 1, block[9:]))(c.block())
        + frame(DATA, END_STREAM, 1, h2.message(h2.payload(b"x")))],
    "a padded head with a priority": lambda c: [
        frame(HEADERS, END_HEADERS | PADDED | PRIORITY_FLAG, 1, b"\x04\0\0\0\0\x0f" + c.block() + bytes(4))
        + frame(DATA, END_STREAM, 1, h2.message(h2.payload(b"x")))],
    "padded data": lambda c: [
        c.headers(1) + frame(DATA, END_STREAM | PADDED, 1, b"\x05" + h2.message(h2.payload(b"x")) + bytes(5))],
    "trailers": lambda c: [
        c.headers(1) + frame(DATA, 0, 1, h2.message(h2.payload(b"x")))
        + c.headers(1, (("x", "y"),), END_HEADERS | END_STREAM)],
    "PRIORITY for an idle stream": lambda c: [priority(1), c.call(1)],
    "an unknown frame": lambda c: [frame(0xBE, 0xFF, 0, b"12345678"), c.call(1)],
    "an unknown setting": lambda c: [settings((0xFF, 1)), c.call(1)],
    "ids that are passed over": lambda c: [c.headers(7), rst_stream(7), c.call(9)],
    "frames that cross the server's reset": lambda c: [
        c.headers(1) + window_update(1, (1 << 31) - 1), frame(DATA, 0, 1, b"abc") * 3,
        c.headers(1, (("x", "y"),), END_HEADERS | END_STREAM), c.call(3)],
    "WINDOW_UPDATE, RST_STREAM and PRIORITY for a closed stream": lambda c: [
        c.headers(1) + rst_stream(1) + window_update(1, 1) + rst_stream(1) + priority(1), c.call(3)],
}
LAST_STREAM = {
    "ids that are passed over": 9, "frames that cross the server's reset": 3,
    "WINDOW_UPDATE, RST_STREAM and PRIORITY for a closed stream": 3,
}


def assert_alive(connection, stream=99):
    connection.send(connection.call(stream, b"still here"))
    head, data = connection.answer(stream)
    assert head["grpc-status"] == "0" and data.endswith(b"still here")


@pytest.mark.parametrize("name", CONNECTION_ERRORS)
def test_an_error_of_the_connection_ends_it(connection, name):
    make, code = CONNECTION_ERRORS[name]
    connection.send(make(connection))
    goaways = [found for found in connection.rest() if found.kind == GOAWAY]
    assert [found.code for found in goaways] == [code]


@pytest.mark.parametrize("name", STREAM_ERRORS)
def test_an_error_of_a_stream_ends_the_stream(connection, name):
    make, code = STREAM_ERRORS[name]
    connection.send(make(connection))
    found = connection.until(lambda f: f.stream == 1 and f.kind == RST_STREAM)
    assert found.code == code
    assert_alive(connection)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_right_is_answered(connection, name):
    stream = LAST_STREAM.get(name, 1)
    for part in ACCEPTED[name](connection):
        connection.send(part)
    head, data = connection.answer(stream)
    assert head[":status"] == "200" and head["grpc-status"] == "0" and data.endswith(b"x")
    assert_alive(connection)


def test_a_client_that_goes_away_gets_what_it_has_asked_for(connection):
    connection.send(connection.headers(1) + frame(GOAWAY, 0, 0, bytes(8)) + connection.call(3))
    connection.send(frame(DATA, END_STREAM, 1, h2.message(h2.payload(b"x"))))
    assert {found.stream for found in connection.rest() if found.ends} == {1, 3}


@pytest.mark.parametrize("data", [b"PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n" + bytes(99)])
def test_what_does_not_begin_like_http2_is_cut_off(server, data):
    with RawConnection(server.port, greeting=data) as connection:
        assert all(found.kind in (SETTINGS, GOAWAY, h2.WINDOW_UPDATE) for found in connection.rest())


def test_the_first_frame_is_settings(server):
    with RawConnection(server.port, greeting=PREFACE + ping()) as connection:
        assert connection.rest()[-1].code == h2.PROTOCOL_ERROR


def test_a_ping_comes_back_with_what_it_carried(connection):
    connection.send(ping(b"opaque_8"))
    assert connection.until(lambda f: f.kind == PING).payload == b"opaque_8"


def test_the_window_of_one_byte_is_kept(connection):
    connection.send(settings((h2.INITIAL_WINDOW_SIZE, 1)) + connection.headers(1, GET, END_HEADERS | END_STREAM))
    assert len(connection.until(lambda f: f.kind == DATA).payload) == 1
    connection.send(window_update(1, 4))
    assert len(connection.until(lambda f: f.kind == DATA).payload) == 4
    connection.send(settings((h2.INITIAL_WINDOW_SIZE, 100)))
    assert connection.until(lambda f: f.kind == DATA).ends


def test_a_window_may_become_negative(connection):
    connection.send(settings((h2.INITIAL_WINDOW_SIZE, 3)) + connection.headers(1, GET, END_HEADERS | END_STREAM))
    assert len(connection.until(lambda f: f.kind == DATA).payload) == 3
    connection.send(settings((h2.INITIAL_WINDOW_SIZE, 2)) + window_update(1, 2))
    assert len(connection.until(lambda f: f.kind == DATA).payload) == 1


def test_the_connection_window_is_kept(server):
    # 65 535 bytes belong to the connection from the start; the streams' windows allow more.
    with RawConnection(server.port, PREFACE + settings((h2.INITIAL_WINDOW_SIZE, 1 << 20))) as connection:
        connection.ready()
        sent = h2.message(h2.payload(bytes(100_000)))
        connection.send(connection.headers(1))
        for start in range(0, len(sent), 16_384):
            part = sent[start:start + 16_384]
            connection.send(frame(DATA, END_STREAM if start + 16_384 >= len(sent) else 0, 1, part))
        received = 0
        while received < 65_535:
            found = connection.next()
            received += len(found.payload) if found.kind == DATA else 0
        assert received == 65_535
        connection.send(ping() + window_update(0, 1 << 20))
        assert connection.next().kind == PING
        assert connection.until(lambda f: f.ends).kind == HEADERS


@pytest.mark.parametrize("method, status", [("GET", "405"), ("HEAD", "405"), ("POST", "415")])
def test_what_is_not_grpc_gets_a_line_for_people(connection, method, status):
    connection.send(connection.headers(1, fields((":method", method)), END_HEADERS | END_STREAM))
    head, data = connection.answer(1)
    assert head[":status"] == status
    assert (b"gRPC" in data) == (method != "HEAD")


def test_more_streams_than_the_limit_are_refused_before_the_limit_is_known(server):
    with RawConnection(server.port) as connection:
        limit = 1_000
        connection.send(b"".join(connection.headers(2 * number + 1) for number in range(limit + 1)))
        found = connection.until(lambda f: f.kind == RST_STREAM)
        assert (found.stream, found.code) == (2 * limit + 1, h2.REFUSED_STREAM)


@pytest.mark.skipif(shutil.which("h2spec") is None, reason="h2spec is not installed")
def test_h2spec_finds_nothing(server):
    result = subprocess.run(
        ["h2spec", "-h", "127.0.0.1", "-p", str(server.port), "-S", "-o", "5"], capture_output=True, text=True,
        timeout=600, env=os.environ | {"NO_COLOR": "1"})
    counts = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", result.stdout)
    assert counts, result.stdout + result.stderr
    total, passed, _, _ = map(int, counts.groups())
    assert total == passed > 100, result.stdout[result.stdout.find("Failures"):]
