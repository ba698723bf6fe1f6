"""TLS connections that show what stock clients hide: the server's certificate, and HTTP/2 on one socket."""

import socket
import ssl
import warnings

import h2.config
import h2.connection
import h2.events

TIMEOUT = 20


def context(authorities, certificate=None, key=None, protocols=("h2",), version=None):
    made = ssl.create_default_context(cafile=authorities)
    made.check_hostname = False
    if certificate:
        made.load_cert_chain(certificate, key)
    if protocols:
        made.set_alpn_protocols(list(protocols))
    if version:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # Old versions are meant here.
            made.minimum_version = made.maximum_version = version
    return made


def connect(port, made, session=None):
    plain = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    try:
        return made.wrap_socket(plain, session=session)
    except (OSError, ssl.SSLError):
        plain.close()
        raise


class Connection:
    """HTTP/2 on one TLS socket."""

    def __init__(self, port, made, session=None):
        self.socket = connect(port, made, session)
        self.http2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.events = []
        self.http2.initiate_connection()
        self._send()
        self.await_event(h2.events.RemoteSettingsChanged)

    def _send(self):
        self.socket.sendall(self.http2.data_to_send())

    def await_event(self, kind):
        """The next event of a kind; fails with ConnectionError when the server ends the connection before."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if isinstance(event, kind):
                    return event
            received = self.socket.recv(65_536)
            if not received:
                raise ConnectionError("the server closed the connection")
            self.events = self.http2.receive_data(received)
            self._send()

    def ping(self):
        self.http2.ping(b"abcdefgh")
        self._send()
        self.await_event(h2.events.PingAckReceived)

    def call(self, path, message, metadata=()):
        """The status of a unary call."""
        stream = self.http2.get_next_available_stream_id()
        self.http2.send_headers(stream, [
            (":method", "POST"), (":scheme", "https"), (":path", path), (":authority", "test"), ("te", "trailers"),
            ("content-type", "application/grpc"), *metadata])
        self.http2.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True)
        self._send()
        while True:
            event = self.await_event((h2.events.ResponseReceived, h2.events.TrailersReceived))
            status = dict(event.headers).get("grpc-status")
            if status is not None:
                return int(status)

    def serial(self):
        """The number of the server's certificate."""
        return self.socket.getpeercert()["serialNumber"]

    def close(self):
        self.socket.close()


def is_refused(port, made):
    """True when the server ends a connection before HTTP/2: in the handshake, or with TLS 1.3 just after it."""
    try:
        Connection(port, made).close()
    except (ConnectionError, ssl.SSLError, OSError):
        return True
    return False
