"""A TCP proxy that a test can cut or hold up: what is behind it is then gone, or late, for whoever goes through it."""

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
        self._way_in = threading.Condition(self._lock)
        self._holds = False
        self._held_bytes = 0
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

    def hold(self):
        """From now on what clients send waits here."""
        with self._way_in:
            self._holds = True

    def await_held(self, more_than=0, timeout=30):
        """Returns when more than so many bytes wait here."""
        with self._way_in:
            assert self._way_in.wait_for(lambda: self._held_bytes > more_than, timeout), "nothing was sent"

    def let_go(self):
        """What was held up goes on, in order."""
        with self._way_in:
            self._holds = False
            self._held_bytes = 0
            self._way_in.notify_all()

    def close(self):
        self.cut()
        self.let_go()
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
        for source, sink, pass_on in ((near, far, self._wait_while_held), (far, near, lambda _: None)):
            threading.Thread(target=self._pump, args=(source, sink, pass_on), daemon=True).start()

    def _wait_while_held(self, data):
        with self._way_in:
            if self._holds:
                self._held_bytes += len(data)
                self._way_in.notify_all()
            self._way_in.wait_for(lambda: not self._holds)

    def _pump(self, source, sink, pass_on):
        with contextlib.suppress(OSError):
            while data := source.recv(64 << 10):
                pass_on(data)
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
        source.close()
