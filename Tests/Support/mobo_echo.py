"""bench-echo, the RPC runtime with nothing behind it, and bench-load, a steady caller, as processes of a test."""

import json
import os
import pathlib
import subprocess
import threading
import time

import mobo_process


def binary(name):
    return pathlib.Path(os.environ["MOBO_BIN_DIR"]) / name


class EchoServer:
    """Listens on a free port of 127.0.0.1 until `close`, which returns the exit code; can be started there again."""

    def __init__(self, *options):
        self.port = mobo_process.lasting_port()
        self.address = f"127.0.0.1:{self.port}"
        self.options = options
        self.process = None
        self.start()

    def start(self):
        """Returns when it listens."""
        command = [binary("bench-echo"), "--port", self.port, *self.options]
        self.process = mobo_process.spawn(command, stderr=subprocess.PIPE, text=True)
        line = self.process.stderr.readline()
        assert '"message":"listening"' in line and self.address in line, f"bench-echo did not start: {line!r}"
        # Whatever else it says must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    @property
    def pid(self):
        return self.process.pid

    @property
    def resident(self):
        return mobo_process.resident_bytes(self.pid)

    def close(self):
        return mobo_process.stop(self.process, 30)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        code = self.close()
        if kind is None:
            assert code == 0, f"bench-echo ended with {code}"


class Load:
    """A bench-load that runs until it is stopped."""

    def __init__(self, addresses, rate, *options):
        command = [
            binary("bench-load"), "--target", ",".join(addresses), "--rate", rate, "--seconds", 0, *options]
        self._changed = threading.Condition()
        self._counts = {"started": 0, "succeeded": 0, "failed": 0}
        self._noise = []
        self.process = mobo_process.spawn(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self._changed:
                if line.startswith('{"'):
                    self._counts = json.loads(line)
                else:
                    self._noise = self._noise[-20:] + [line]
                self._changed.notify_all()

    def await_successes(self, count, seconds=60):
        """Returns when that many more calls have succeeded than the last report told."""
        deadline = time.monotonic() + seconds
        with self._changed:
            wanted = self._counts["succeeded"] + count
            while self._counts["succeeded"] < wanted:
                assert self.process.poll() is None, f"bench-load ended: {self._noise}"
                assert time.monotonic() < deadline, f"the load stands still: {self._counts} {self._noise}"
                self._changed.wait(0.2)

    def await_started(self, count, seconds=120):
        """Returns the counts of the first report after so many calls were begun in all."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._counts["started"] < count:
                assert self.process.poll() is None, f"bench-load ended: {self._noise}"
                assert time.monotonic() < deadline, f"the load stands still: {self._counts} {self._noise}"
                self._changed.wait(0.2)
            return self._counts

    def finish(self):
        """The final counts."""
        if self.process.poll() is None:
            self.process.terminate()
        output = self.process.stdout.read()
        self.process.wait(60)
        self._reader.join(10)
        assert output, f"bench-load ended without a result: {self._noise}"
        return json.loads(output)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        mobo_process.stop(self.process, 5)
