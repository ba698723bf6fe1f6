"""Memory after many calls: flat, or something is kept that nobody asks for again."""

import pytest

import mobo_h2load
import mobo_process
from mobo_echo import EchoServer
from mobo_h2load import Shape

MIB = 1 << 20
SHAPE = Shape("leak", 64, 8, 32)


def flat_after(warm_up, calls, growth_max):
    with EchoServer("--threads", 1) as server:
        mobo_h2load.load(server.port, SHAPE, warm_up)
        before = mobo_process.settled(lambda: server.resident)
        mobo_h2load.load(server.port, SHAPE, calls - warm_up, timeout=3600)
        after = mobo_process.settled(lambda: server.resident)
        peak = mobo_process.peak_resident_bytes(server.pid)
        print(f"{before / MIB:.1f} MiB after {warm_up} calls, {after / MIB:.1f} MiB after {calls}, "
              f"peak {peak / MIB:.1f} MiB")
        assert after - before <= growth_max


def test_memory_is_flat_over_two_hundred_thousand_calls():
    flat_after(warm_up=40_000, calls=200_000, growth_max=2 * MIB)


@pytest.mark.long
def test_memory_is_flat_over_ten_million_calls():
    flat_after(warm_up=1_000_000, calls=10_000_000, growth_max=2 * MIB)
