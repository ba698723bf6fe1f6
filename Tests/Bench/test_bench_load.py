"""bench-load: what it counts, and how it ends."""

import json
import signal
import subprocess

import pytest

import mobo_process
from mobo_echo import EchoServer, Load, binary


def bench_load(*options):
    return subprocess.run(
        [binary("bench-load"), *map(str, options)], capture_output=True, text=True, timeout=60)


def test_calls_that_succeed_are_counted_with_their_latency():
    with EchoServer() as server:
        ended = bench_load("--target", server.address, "--rate", 200, "--seconds", 1, "--bytes", 1000)
    result = json.loads(ended.stdout)
    assert ended.returncode == 0, ended.stderr
    assert result["succeeded"] == result["started"] > 0 and result["failed"] == 0
    assert 0 < result["p50Micros"] <= result["p99Micros"] <= result["maxMicros"]


def test_calls_that_fail_are_counted_by_what_they_failed_with():
    port = mobo_process.lasting_port()
    ended = bench_load("--target", f"127.0.0.1:{port}", "--rate", 50, "--seconds", 1)
    result = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert result["failed"] == result["started"] == sum(result["failures"].values()) > 0
    assert all(text.startswith("UNAVAILABLE") for text in result["failures"])


def test_what_is_due_beyond_the_calls_allowed_at_a_time_is_a_failure():
    with EchoServer() as server:
        server.process.send_signal(signal.SIGSTOP)  # Nothing is answered.
        ended = bench_load(
            "--target", server.address, "--rate", 100, "--seconds", 1, "--outstanding", 5, "--deadline", 3_000)
        server.process.send_signal(signal.SIGCONT)
    result = json.loads(ended.stdout)
    overrun = result["failures"].pop("not made: too many calls under way")
    assert overrun + sum(result["failures"].values()) == result["started"] == result["failed"]
    assert sum(result["failures"].values()) <= 5


def test_a_signal_ends_the_load_and_every_call_is_accounted_for():
    with EchoServer() as server, Load([server.address], 300) as load:
        load.await_successes(100)
        result = load.finish()
    assert result["started"] == result["succeeded"] + result["failed"]
    assert load.process.returncode == 0


def test_a_signal_is_heard_as_soon_as_the_server_listens():
    for _ in range(20):
        with EchoServer():
            pass


@pytest.mark.parametrize("options", [
    (), ("--target", "nowhere"), ("--target", "a:1", "--rate", 0), ("--target", "a:1", "--attempts", 11),
    ("--target", "a:1", "--outstanding", 0), ("--target", "a:1", "--bytes", (4 << 20) + 1)])
def test_wrong_usage_is_told(options):
    ended = bench_load(*options)
    assert ended.returncode == 64 and ended.stderr
