"""A server of grpc.testing.TestService/UnaryCall on Python's h2 that can misbehave on the level of HTTP/2.

One thread per connection; what it saw is kept for the test to look at.
"""

import gzip
import socket
import struct
import threading

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

from mobo_protos import load

HEAD = [(":status", "200"), ("content-type", "application/grpc"), ("grpc-accept-encoding", "identity,gzip")]
MAX_FRAME = 16_384


class MisbehavingServer:
    """`behaviour` is the name of a test case, or "none" for a server without faults."""

    def __init__(self, behaviour="none"):
        self.behaviour = behaviour
        self.connections = 0
        self.calls = 0
        self.open_streams = 0
        self.most_open_streams = 0
        self.ping_answers = 0
        self.compressed = []
        self._lock = threading.Lock()
        self._sockets = []
        self._threads = []

    def __enter__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_):
        # A thread that is in accept() does not notice a close; a shutdown wakes it.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(timeout=5)
        for peer in self._sockets:
            try:
                peer.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # The client has closed it already.
        for thread in self._threads:
            thread.join(timeout=5)

    def _accept(self):
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._sockets.append(peer)
            thread = threading.Thread(target=_Connection(self, peer).run, daemon=True)
            self._threads.append(thread)
            thread.start()


class _Connection:
    def __init__(self, server, peer):
        self.server = server
        self.peer = peer
        self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.bodies = {}
        self.encodings = {}
        self.unsent = {}

    def run(self):
        with self.peer:
            try:
                self._talk()
            except OSError:
                pass  # The client is gone, as clients may be.

    def _talk(self):
        if self.server.behaviour == "max_streams":
            # What is set later is announced later; this goes out with the first frame.
            self.http2.local_settings = h2.settings.Settings(
                client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 1})
        self.http2.initiate_connection()
        self._flush()
        while data := self.peer.recv(65_536):
            for event in self.http2.receive_data(data):
                self._take(event)
            self._flush()

    def _flush(self):
        self.peer.sendall(self.http2.data_to_send())

    def _take(self, event):
        match event:
            case h2.events.RequestReceived():
                self.bodies[event.stream_id] = bytearray()
                self.encodings[event.stream_id] = dict(event.headers).get(b"grpc-encoding", b"identity")
                self.server.open_streams += 1
                self.server.most_open_streams = max(self.server.most_open_streams, self.server.open_streams)
                if self.server.behaviour == "ping":
                    self.http2.ping(b"01234567")
                if self.server.behaviour == "rst_after_header":
                    self.http2.send_headers(event.stream_id, HEAD)
                    self.http2.reset_stream(event.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            case h2.events.DataReceived():
                if event.stream_id in self.bodies:
                    self.bodies[event.stream_id] += event.data
                self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.events.StreamEnded():
                self._answer(event.stream_id)
            case h2.events.WindowUpdated():
                for stream in list(self.unsent):
                    self._continue(stream)
            case h2.events.PingAckReceived():
                self.server.ping_answers += 1

    def _answer(self, stream):
        behaviour = self.server.behaviour
        if behaviour == "rst_after_header":
            return
        self.server.calls += 1
        body, refusal = self._response(bytes(self.bodies.pop(stream)), self.encodings[stream])
        if refusal:
            self.server.open_streams -= 1
            trailers = [("grpc-status", "3"), ("grpc-message", refusal)]
            return self.http2.send_headers(stream, HEAD + trailers, end_stream=True)
        self.http2.send_headers(stream, HEAD)
        if behaviour == "rst_during_data":
            self.http2.send_data(stream, body[: 2_000])
            return self.http2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
        self.unsent[stream] = body
        self._continue(stream)

    def _response(self, framed, encoding):
        flag, length = struct.unpack(">BI", framed[:5])
        message = framed[5:]
        assert len(message) == length, "the client framed its message wrongly"
        if flag:
            assert encoding == b"gzip", encoding
            message = gzip.decompress(message)
        self.server.compressed.append(bool(flag))
        messages = load("grpc.testing.messages_pb2")
        request = messages.SimpleRequest.FromString(message)
        if request.HasField("expect_compressed") and request.expect_compressed.value != bool(flag):
            return b"", "the message was not compressed as announced"
        response = messages.SimpleResponse(payload=messages.Payload(body=bytes(request.response_size)))
        encoded = response.SerializeToString()
        return struct.pack(">BI", 0, len(encoded)) + encoded, None

    def _continue(self, stream):
        """Sends what the windows allow."""
        padding = 100 if self.server.behaviour == "data_frame_padding" else None
        overhead = 0 if padding is None else padding + 1
        rest = self.unsent[stream]
        while rest:
            room = min(self.http2.local_flow_control_window(stream), MAX_FRAME) - overhead
            if room <= 0:
                self.unsent[stream] = rest
                return
            self.http2.send_data(stream, rest[:room], pad_length=padding)
            rest = rest[room:]
        del self.unsent[stream]
        self._end(stream)

    def _end(self, stream):
        self.server.open_streams -= 1
        match self.server.behaviour:
            case "rst_after_data":
                self.http2.reset_stream(stream, h2.errors.ErrorCodes.INTERNAL_ERROR)
            case "goaway" if self.server.calls == 1:
                self.http2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
                self.http2.close_connection(last_stream_id=stream)
            case "ping":
                self.http2.ping(b"76543210")
                self.http2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
            case _:
                self.http2.send_headers(stream, [("grpc-status", "0")], end_stream=True)
