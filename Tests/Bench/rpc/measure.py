"""One run: a server on its CPU, h2load on another, and what the kernel counted for the server meanwhile."""

import dataclasses
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

import mobo_h2load
from mobo_h2load import LoadFailed, Shape
from mobo_process import cpu_seconds, forget_peak, peak_resident_bytes, spawn, stop

# PLATFORM 1.5.
SHAPES = (Shape("16 B c8 m32", 16, 8, 32), Shape("16 B c1 m1", 16, 1, 1), Shape("4 KiB c8 m32", 4096, 8, 32))



@dataclasses.dataclass(frozen=True)
class Effort:
    """About how long a timed run takes, and how many requests the percentiles are of: too few say nothing of the 99th."""

    seconds: float
    latencies: tuple

    @property
    def trial_seconds(self):
        return self.seconds / 10


FULL = Effort(2.0, (2_000, 40_000))
QUICK = Effort(0.2, (100, 2_000))


@dataclasses.dataclass(frozen=True)
class Run:
    server: str
    shape: Shape
    round: int
    requests: int
    seconds: float
    cpu_micros: float
    p50_micros: int
    p99_micros: int
    peak_bytes: int

    @property
    def per_second(self):
        return self.requests / self.seconds

    @property
    def busy(self):
        """The server's share of its CPU. Far below one under load, h2load or other work was the limit."""
        return self.cpu_micros * self.requests / 1e6 / self.seconds


class Server:
    """A running echo server. `close` ends it, whatever it does."""

    def __init__(self, title, command, cpu):
        self.title = title
        self.port = free_port()
        self.log = tempfile.TemporaryFile()
        self.process = spawn(
            [str(part).replace("{port}", str(self.port)) for part in command], cpu, stdout=self.log,
            stderr=subprocess.STDOUT)
        self.rates = {}

    @property
    def pid(self):
        return self.process.pid

    def await_listening(self, seconds=30):
        deadline = time.monotonic() + seconds
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise LoadFailed(f"did not start: {self.last_words()}") from None
                time.sleep(0.02)

    def last_words(self):
        self.log.seek(0)
        return self.log.read()[-300:].decode(errors="replace").strip() or "it said nothing"

    def check(self):
        """With grpcio in a process of its own, which leaves no threads in ours."""
        script = pathlib.Path(__file__).with_name("check.py")
        answer = subprocess.run([sys.executable, script, str(self.port)], capture_output=True, text=True, timeout=180)
        if answer.returncode != 0:
            raise LoadFailed(f"a stock client: {answer.stderr.strip()[-300:]}")

    def measure(self, shape, round_number, effort, cpu):
        """One timed run. The first of a shape is preceded by two that warm up and find the rate."""
        at_once = shape.connections * shape.streams
        if shape not in self.rates:
            trial = mobo_h2load.load(self.port, shape, max(at_once * 2, 50), cpu)
            requests = max(at_once * 4, 50, int(trial.per_second * effort.trial_seconds))
            self.rates[shape] = mobo_h2load.load(self.port, shape, requests, cpu).per_second
        requests = max(at_once * 10, 100, int(self.rates[shape] * effort.seconds))
        forget_peak(self.pid)
        before = cpu_seconds(self.pid)
        result = mobo_h2load.load(self.port, shape, requests, cpu)
        used = cpu_seconds(self.pid) - before
        peak = peak_resident_bytes(self.pid)
        least, most = effort.latencies
        times = mobo_h2load.latencies(self.port, shape, max(least, min(most, requests // 4)), cpu)
        return Run(
            self.title, shape, round_number, requests, result.seconds, used * 1e6 / requests,
            mobo_h2load.percentile(times, 0.50), mobo_h2load.percentile(times, 0.99), peak)

    def close(self):
        stop(self.process, 5)
        self.log.close()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]
