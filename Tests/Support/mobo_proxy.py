"""A TCP proxy that a test can cut: what is behind it is then gone, for whoever goes through it."""

import contextlib
import socket
import threading


class Proxy:
    """Forwards connections to a port of this machine from a free port of its own."""

    def __init__(self, target):
        self._target = target
        self._lock = threading.Lock()
        self._open = set()
        self._is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self):
        """Ends every connection; later ones are closed as soon as they come."""
        with self._lock:
            self._is_cut = True
            for one in self._open:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def restore(self):
        with self._lock:
            self._is_cut = False

    def close(self):
        self.cut()
        self._listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._connect(near)

    def _connect(self, near):
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=10)
        except OSError:
            return near.close()
        far.settimeout(None)
        with self._lock:
            if self._is_cut:
                near.close()
                return far.close()
            self._open |= {near, far}
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(64 << 10):
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()
