"""HTTP/2 frame by frame, right or wrong, for tests that a well-behaved client cannot make (RFC 9113)."""

import dataclasses
import socket

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 0x1, 0x1, 0x4, 0x8, 0x20
(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM) = range(12)
HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = range(1, 6)

CALL = (
    (":method", "POST"), (":scheme", "http"), (":path", "/bench.v1.Echo/Unary"), (":authority", "test"),
    ("te", "trailers"), ("content-type", "application/grpc"),
)


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    length = len(payload) if length is None else length
    return length.to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def settings(*entries):
    return frame(SETTINGS, payload=b"".join(
        key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in entries))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, stream=stream, payload=increment.to_bytes(4, "big"))


def rst_stream(stream, code=CANCEL):
    return frame(RST_STREAM, stream=stream, payload=code.to_bytes(4, "big"))


def ping(data=b"12345678", flags=0):
    return frame(PING, flags, payload=data)


def priority(stream, depends_on=0, weight=15):
    return frame(PRIORITY, stream=stream, payload=depends_on.to_bytes(4, "big") + bytes((weight,)))


def message(data, flag=0, length=None):
    """A message of gRPC behind its prefix."""
    return bytes((flag,)) + (len(data) if length is None else length).to_bytes(4, "big") + data


def payload(data):
    """bench.v1.Payload with these bytes."""
    count, rest = b"", len(data)
    while rest > 127:
        count += bytes((rest & 127 | 128,))
        rest >>= 7
    return b"\x0a" + count + bytes((rest,)) + data


@dataclasses.dataclass
class Frame:
    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self):
        """The error code of RST_STREAM or GOAWAY."""
        return int.from_bytes(self.payload[4:8] if self.kind == GOAWAY else self.payload[:4], "big")

    @property
    def debug(self):
        return self.payload[8:]

    @property
    def ends(self):
        return self.kind in (DATA, HEADERS) and bool(self.flags & END_STREAM)


class Closed(Exception):
    """The peer has closed the connection."""


class RawConnection:
    """Sends what it is told and reads what comes; nothing is answered by itself."""

    def __init__(self, port, greeting=PREFACE + settings(), timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.received = b""
        if greeting:
            self.send(greeting)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def ready(self):
        """Exchanges SETTINGS and returns the server's as a dictionary."""
        first = self.next()
        assert first.kind == SETTINGS and not first.flags
        self.send(frame(SETTINGS, ACK))
        self.until(lambda f: f.kind == SETTINGS and f.flags & ACK)
        entries = range(0, len(first.payload), 6)
        return {
            int.from_bytes(first.payload[i:i + 2], "big"): int.from_bytes(first.payload[i + 2:i + 6], "big")
            for i in entries}

    def block(self, fields=CALL):
        return self.encoder.encode(list(fields))

    def headers(self, stream, fields=CALL, flags=END_HEADERS):
        return frame(HEADERS, flags, stream, self.block(fields))

    def call(self, stream, data=b"x", fields=CALL):
        """The frames of one whole call."""
        return self.headers(stream, fields) + frame(DATA, END_STREAM, stream, message(payload(data)))

    def send(self, data):
        """Sends all of it, unless the peer has closed already."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def _take(self, count):
        while len(self.received) < count:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                raise Closed from None
            if not data:
                raise Closed
            self.received += data
        taken, self.received = self.received[:count], self.received[count:]
        return taken

    def next(self):
        """The next frame; raises `Closed` at the end."""
        head = self._take(9)
        return Frame(head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF,
                     self._take(int.from_bytes(head[:3], "big")))

    def until(self, condition):
        """The first frame for which it holds; those before it are dropped."""
        while True:
            found = self.next()
            if condition(found):
                return found

    def rest(self):
        """All frames up to the end of the connection."""
        frames = []
        try:
            while True:
                frames.append(self.next())
        except Closed:
            return frames

    def answer(self, stream):
        """The status of a call, as `HTTP status or None, gRPC status or None`, and its data; or the reset's frame."""
        fields, data = [], b""
        while True:
            found = self.next()
            # The decoder must see every block, or it loses step.
            if found.kind == HEADERS:
                block = self.decoder.decode(found.payload)
            if found.stream != stream:
                continue
            if found.kind == RST_STREAM:
                return found
            if found.kind == HEADERS:
                fields += block
            elif found.kind == DATA:
                data += found.payload
            if found.ends:
                return dict(fields), data

    def echo(self, stream, data=b"sixteen bytes..."):
        """Makes a call and reads its answer to the end."""
        self.send(self.call(stream, data))
        fields, answer = self.answer(stream)
        assert fields["grpc-status"] == "0" and answer == message(payload(data))
