"""Loads an echo server with h2load, and believes a run only when every request got its whole answer."""

import dataclasses
import os
import re
import shutil
import subprocess
import tempfile

from mobo_process import spawn, stop

PATH = "bench.v1.Echo/Unary"


def varint(number):
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def payload(data):
    """A bench.v1.Payload."""
    return b"\x0a" + varint(len(data)) + data if data else b""


def frame(message):
    """A message with gRPC's prefix: not compressed, its length."""
    return b"\0" + len(message).to_bytes(4, "big") + message


@dataclasses.dataclass(frozen=True)
class Shape:
    """What h2load sends: messages with so many bytes of data, over so many connections with so many streams each."""

    name: str
    data_bytes: int
    connections: int
    streams: int

    @property
    def body(self):
        return frame(payload(bytes(97 + i % 26 for i in range(self.data_bytes))))


class LoadFailed(Exception):
    """h2load did not run, or a request was not answered as it should be."""


_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds_of(text):
    """`12.3ms` as seconds."""
    match = re.fullmatch(r"([\d.]+)([a-z]+)", text)
    if not match or match.group(2) not in _UNITS:
        raise LoadFailed(f"h2load wrote the duration {text!r}")
    return float(match.group(1)) * _UNITS[match.group(2)]


@dataclasses.dataclass(frozen=True)
class LoadResult:
    requests: int
    seconds: float

    @property
    def per_second(self):
        return self.requests / self.seconds


def parse(output, requests, data_bytes):
    """What h2load printed, or LoadFailed unless all requests succeeded with `data_bytes` of DATA together.

    A refused gRPC call is a 200 without DATA, so the bytes tell what h2load's own count does not.
    """
    finished = re.search(r"^finished in (\S+),", output, re.M)
    counts = re.search(r"^requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded, (\d+) failed, (\d+) errored, "
                       r"(\d+) timeout", output, re.M)
    codes = re.search(r"^status codes: (\d+) 2xx", output, re.M)
    data = re.search(r"\((\d+)\) data$", output, re.M)
    if not (finished and counts and codes and data):
        raise LoadFailed(f"h2load did not finish; it said: {output.strip()[-400:]}")
    if int(counts[1]) != requests or int(codes[1]) != requests:
        raise LoadFailed(f"of {requests} requests, {counts[0].partition('total, ')[2]}, {codes[1]} with 2xx")
    if int(data[1]) != data_bytes:
        raise LoadFailed(f"the answers hold {data[1]} bytes of data, not {data_bytes}: some were refused")
    return LoadResult(requests, seconds_of(finished[1]))


def load(port, shape, requests, cpu=None, log=None, timeout=1800):
    """One run of h2load with one thread. `log` takes a line per request: start, status, microseconds."""
    body = shape.body
    with tempfile.NamedTemporaryFile(prefix="mobo-h2load-") as file:
        file.write(body)
        file.flush()
        command = [
            "h2load", "-p", "h2c", "-t", "1", "-c", min(shape.connections, requests),
            "-m", shape.streams, "-n", requests, "-d", file.name, "-H", "content-type: application/grpc",
            "-H", "te: trailers", *(["--log-file", log] if log else []), f"http://127.0.0.1:{port}/{PATH}"]
        if not shutil.which("h2load"):
            raise LoadFailed("h2load is not installed (Debian: nghttp2-client)")
        process = spawn(command, cpu=cpu, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise LoadFailed(f"h2load took longer than {timeout} s") from error
        finally:
            stop(process, 1)
    return parse(output, requests, requests * len(body))


def latencies(port, shape, requests, cpu=None):
    """The sorted latencies in microseconds of a run of its own, because writing them down slows h2load."""
    with tempfile.TemporaryDirectory(prefix="mobo-h2load-") as folder:
        log = os.path.join(folder, "log")
        load(port, shape, requests, cpu, log)
        with open(log, encoding="ascii") as lines:
            return sorted(int(line.split("\t")[2]) for line in lines)


def percentile(values, share):
    """Of sorted values, the one that `share` of them do not exceed."""
    return values[min(len(values) - 1, int(len(values) * share))]
