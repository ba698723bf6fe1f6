"""A bench-echo of a test's own: the RPC runtime with nothing behind it."""

import json
import os
import pathlib
import subprocess
import threading

from mobo_process import spawn, stop


class EchoServer:
    """Listens on a free port of 127.0.0.1 until `close`, which returns the exit code."""

    def __init__(self, *options):
        binary = pathlib.Path(os.environ["MOBO_BIN_DIR"]) / "bench-echo"
        self.process = spawn([binary, "--port", "0", *options], stderr=subprocess.PIPE, text=True)
        line = json.loads(self.process.stderr.readline())
        assert line["message"] == "listening"
        self.address = line["grpc"]
        self.port = int(self.address.rpartition(":")[2])
        # Whatever else it says must not fill the pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    @property
    def pid(self):
        return self.process.pid

    def close(self):
        return stop(self.process)
