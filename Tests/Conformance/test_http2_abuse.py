"""What a hostile peer may do to one connection, it does to that connection alone: another one is served all the
while, and the server's memory stays where it was (CVE-2019-9511…9518, CVE-2023-44487, CVE-2024-27316, CVE-2025-8671).

Every attack has a bounded number of frames, far above what the server bears.
"""

import gzip

import pytest

import mobo_frames as h2
from mobo_echo import EchoServer
from mobo_frames import (
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, RawConnection,
    frame, ping, priority, rst_stream, settings, window_update)
from mobo_process import resident_bytes

MIB = 1 << 20
FRAMES = 20_000
BATCH = 500
# A debug build with everything that an attack may leave in its allocator.
GROWTH_MAX = 96 * MIB


@pytest.fixture(scope="module")
def server():
    running = EchoServer("--threads", "2")
    with RawConnection(running.port) as connection:
        connection.ready()
        served(connection)
    running.first_resident_bytes = resident_bytes(running.pid)
    yield running
    assert running.close() == 0


@pytest.fixture()
def attack(server):
    """An attacker's connection. Afterwards another one, which was there before, must still be served."""
    with RawConnection(server.port) as bystander:
        bystander.ready()
        with RawConnection(server.port) as attacker:
            yield attacker
            served(bystander)
            assert resident_bytes(server.pid) < server.first_resident_bytes + GROWTH_MAX


def served(connection, stream=1):
    connection.send(connection.call(stream, b"bystander"))
    head, data = connection.answer(stream)
    assert head["grpc-status"] == "0" and data.endswith(b"bystander")


def flood(connection, make, count=FRAMES):
    """Sends `make(number)` so many times without reading anything."""
    for start in range(0, count, BATCH):
        connection.send(b"".join(make(number) for number in range(start, min(start + BATCH, count))))


def given_up(connection, *codes):
    """The server ends the connection, with one of the codes if it still can say anything."""
    last = [found for found in connection.rest() if found.kind == GOAWAY][-1:]
    assert all(found.code in codes for found in last)


def streams(connection, make):
    """`make` for a stream of its own each time."""
    return lambda number: make(connection, 2 * number + 1)


def test_streams_that_are_opened_and_reset_without_end(attack):
    attack.ready()
    flood(attack, streams(attack, lambda c, id: c.headers(id) + rst_stream(id)))
    given_up(attack, h2.ENHANCE_YOUR_CALM, h2.INTERNAL_ERROR)


# Frames for which the server itself must reset the stream, so that its client's place is free again.
PROVOCATIONS = {
    "a window above its maximum": lambda c, id: c.headers(id) + window_update(id, (1 << 31) - 1),
    "more data than announced": lambda c, id: (
        c.headers(id, h2.CALL + (("content-length", "1"),)) + frame(DATA, 0, id, b"xx")),
    "less data than announced": lambda c, id: (
        c.headers(id, h2.CALL + (("content-length", "3"),)) + frame(DATA, END_STREAM, id, b"xx")),
    "trailers that are no end": lambda c, id: c.headers(id) + c.headers(id, (("x", "y"),)),
    "a malformed head": lambda c, id: c.headers(id, h2.CALL + (("connection", "close"),)),
    "a head far too large": lambda c, id: frame(  # The newest field of the table, again and again.
        HEADERS, END_HEADERS | END_STREAM, id, c.block(h2.CALL + (("large", "v"),)) + b"\xbe" * 3_000),
    "data behind the end": lambda c, id: (
        c.headers(id, flags=END_HEADERS | END_STREAM) + frame(DATA, 0, id, b"x")),
    "a window update of nothing": lambda c, id: c.headers(id) + window_update(id, 0),
    "a dependency on itself": lambda c, id: c.headers(id) + priority(id, id),
}


@pytest.mark.parametrize("name", PROVOCATIONS)
def test_resets_that_are_provoked_without_end(attack, name):
    attack.ready()
    flood(attack, streams(attack, PROVOCATIONS[name]), 3_000)
    given_up(attack, h2.ENHANCE_YOUR_CALM, h2.PROTOCOL_ERROR, h2.STREAM_CLOSED, h2.INTERNAL_ERROR)


@pytest.mark.parametrize("size", [0, 1, 16_384])
def test_a_head_that_never_ends(attack, size):
    attack.ready()
    attack.send(frame(HEADERS, 0, 1, attack.block()))
    flood(attack, lambda _: frame(CONTINUATION, 0, 1, bytes(size)), FRAMES if size < 16_384 else 200)
    given_up(attack, h2.ENHANCE_YOUR_CALM, h2.PROTOCOL_ERROR, h2.INTERNAL_ERROR, h2.COMPRESSION_ERROR)


CONTROL = {
    "SETTINGS": lambda _: settings(),
    "SETTINGS that move every window": lambda number: settings((h2.INITIAL_WINDOW_SIZE, number)),
    "SETTINGS with many entries": lambda _: settings(*[(0xFF, 1)] * 30),
    "PING": lambda _: ping(),
    "acknowledgements of no PING": lambda _: ping(flags=ACK),
    "PRIORITY": lambda number: priority(2 * number + 1, 2 * number + 3),
    "unknown frames": lambda _: frame(0xBE, 0, 0, b"x"),
    "GOAWAY": lambda _: frame(GOAWAY, 0, 0, bytes(8)),
}


@pytest.mark.parametrize("name", CONTROL)
def test_frames_that_carry_nothing(attack, name):
    attack.ready()
    attack.send(attack.headers(1))  # Or else a GOAWAY ends the connection by itself.
    flood(attack, CONTROL[name])
    given_up(attack, h2.ENHANCE_YOUR_CALM, h2.INTERNAL_ERROR)


def test_pings_are_told_to_be_too_many(attack):
    attack.ready()
    attack.send(ping() * 4)
    assert attack.until(lambda f: f.kind == GOAWAY).debug == b"too_many_pings"


def test_pings_after_answers_are_not_too_many(attack):
    attack.ready()
    for stream in range(1, 41, 2):
        attack.send(attack.call(stream))
        assert attack.answer(stream)[0]["grpc-status"] == "0"
        attack.send(ping())
        assert attack.until(lambda f: f.kind == PING).flags == ACK


def test_data_frames_without_data(attack):
    attack.ready()
    attack.send(attack.headers(1))
    flood(attack, lambda _: frame(DATA, 0, 1))
    given_up(attack, h2.ENHANCE_YOUR_CALM)


def test_data_for_a_stream_that_is_closed(attack):
    attack.ready()
    for stream in range(1, 2_001, 2):
        attack.send(attack.headers(stream) + rst_stream(stream) + frame(DATA, 0, stream, b"x") * 3)
    given_up(attack, h2.ENHANCE_YOUR_CALM, h2.INTERNAL_ERROR)


def test_more_streams_than_are_allowed_by_one_who_does_not_read(attack):
    flood(attack, streams(attack, lambda c, id: c.headers(id)), 5_000)
    given_up(attack, h2.ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("make", [lambda _: window_update(1, 1), lambda _: window_update(0, 1), lambda _: rst_stream(1)],
                         ids=["a closed stream's window", "the connection's window", "resets of a closed stream"])
def test_frames_for_nothing_cost_nothing(attack, make):
    attack.ready()
    attack.send(attack.call(1))
    assert attack.answer(1)[0]["grpc-status"] == "0"
    flood(attack, make)


def test_a_small_block_that_refers_to_a_large_field_again_and_again(attack):
    attack.ready()
    # The first call puts a field of 4000 bytes into the table; each byte of the next block is that field once more.
    attack.send(attack.call(1, fields=h2.CALL + (("x-large", "~" * 3_000),)))
    assert attack.answer(1)[0]["grpc-status"] == "0"
    for stream in range(3, 103, 2):
        attack.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, attack.block() + b"\xbe" * 16_000))
        assert attack.answer(stream).kind == RST_STREAM
    served(attack, 999)


def test_a_message_whose_length_is_a_lie(attack):
    attack.ready()
    for stream in range(1, 201, 2):
        attack.send(attack.headers(stream) + frame(DATA, 0, stream, h2.message(b"x", length=(1 << 32) - 1)))
        assert attack.answer(stream)[0]["grpc-status"] == "8"
    served(attack, 999)


def test_many_messages_that_are_announced_and_never_come(attack):
    attack.ready()
    flood(attack, streams(
        attack, lambda c, id: c.headers(id) + frame(DATA, 0, id, h2.message(b"x", length=4 * MIB))), 900)


def test_a_message_that_unpacks_to_far_more(attack):
    attack.ready()
    bomb = gzip.compress(bytes(64 * MIB))
    for stream in range(1, 21, 2):
        attack.send(attack.headers(stream, h2.CALL + (("grpc-encoding", "gzip"),)))
        sent = h2.message(bomb, flag=1)
        for start in range(0, len(sent), 16_384):
            last = start + 16_384 >= len(sent)
            attack.send(frame(DATA, END_STREAM if last else 0, stream, sent[start:start + 16_384]))
        assert attack.answer(stream)[0]["grpc-status"] == "8"
    served(attack, 999)


@pytest.mark.parametrize("piece", [b"\x13", b"\x12\xff\xff\x03"], ids=["groups", "messages"])
def test_a_message_that_is_nested_without_end(attack, piece):
    attack.ready()
    sent = h2.message(piece * 4_000)
    attack.send(attack.headers(1) + frame(DATA, END_STREAM, 1, sent[:16_384]) if len(sent) <= 16_384 else
                attack.headers(1) + frame(DATA, 0, 1, sent[:16_000]) + frame(DATA, END_STREAM, 1, sent[16_000:]))
    assert attack.answer(1)[0]["grpc-status"] in ("0", "3")
    served(attack, 999)


@pytest.mark.parametrize("window", [0, 1])
def test_answers_that_nobody_takes(server, attack, window):
    attack.ready()
    attack.send(settings((h2.INITIAL_WINDOW_SIZE, window)))
    data = h2.message(h2.payload(bytes(16_000)))
    flood(attack, streams(attack, lambda c, id: c.headers(id) + frame(DATA, END_STREAM, id, data)), 900)
    served_elsewhere(server)


def served_elsewhere(server):
    with RawConnection(server.port) as other:
        other.ready()
        served(other)


@pytest.mark.parametrize("greeting", [b"", PREFACE[:10], PREFACE, PREFACE + settings()[:5], PREFACE + settings()],
                         ids=["nothing", "half a preface", "no SETTINGS", "half of SETTINGS", "nothing more"])
def test_many_connections_that_say_little(server, greeting):
    connections = [RawConnection(server.port, greeting=greeting) for _ in range(200)]
    try:
        served_elsewhere(server)
    finally:
        for connection in connections:
            connection.close()
    served_elsewhere(server)
