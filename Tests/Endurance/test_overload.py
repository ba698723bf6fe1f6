"""Three times as many calls as a server can answer: it goes on answering as many as it can, urgent ones first."""

import contextlib
import dataclasses

import pytest

from mobo_echo import EchoServer, Load

# How long callers wait. Where everything is admitted, all calls come to take about that long, and then none is in time.
DEADLINE_MS = 1_000
# An event loop refuses once it has been behind for two seconds (decision 9), and then in its next long turn.
BEHIND_SECONDS = 3


@dataclasses.dataclass
class Server:
    """So many calls work at a time, each for so long: it can answer `capacity` per second and no more. Work that is
    computing is done one call after the other, on the event loop that reads them."""

    places: int
    work_ms: int
    computes: bool = False

    @property
    def capacity(self):
        return self.places * 1000 // self.work_ms

    @property
    def patience(self):
        """For how many seconds of overload it refuses nobody, so that urgent calls wait like all others."""
        return BEHIND_SECONDS if self.computes else 1

    @property
    def options(self):
        if self.computes:
            return ["--threads", self.places, "--spin-us", self.work_ms * 1000]
        return ["--threads", 1, "--places", self.places, "--work-us", self.work_ms * 1000]


@dataclasses.dataclass
class Outcome:
    """Calls per second that were answered in time, and what became of the urgent ones."""

    goodput: float
    urgent: dict
    read: float = 0


def offer(server, rate, warm_up, measured, urgent_rate, read_rate=0):
    """Offers so many calls per second, for so many seconds before it counts and while it does."""

    def load(method, rate):
        return Load(
            [echo.address], rate, "--method", method, "--deadline", DEADLINE_MS, "--outstanding", 100_000)

    def in_time(load, rate):
        before = load.await_started(rate * warm_up)
        after = load.await_started(before["started"] + rate * measured)
        return rate * (after["succeeded"] - before["succeeded"]) / (after["started"] - before["started"])

    with contextlib.ExitStack() as stack:
        echo = stack.enter_context(EchoServer(*server.options))
        normal = stack.enter_context(load("unary", rate))
        read = stack.enter_context(load("read", read_rate)) if read_rate else None
        # They come when the others are there already, and hold the server up if it lets them.
        normal.await_started(rate * server.patience)
        urgent = stack.enter_context(load("internal", urgent_rate))
        goodput = in_time(normal, rate)
        reads = in_time(read, read_rate) if read else 0
        return Outcome(goodput, urgent.finish(), reads)


def overloaded(server, warm_up, measured, read_rate=0):
    urgent_rate = max(server.capacity // 20, 1)
    # What is left beside the urgent ones, all of it.
    peak = offer(server, server.capacity - urgent_rate, warm_up, measured, urgent_rate)
    over = offer(server, server.capacity * 3, warm_up, measured, urgent_rate, read_rate)
    print(f"{server}: {peak.goodput:.0f} per second at capacity, {over.goodput:.0f} at three times that; "
          f"reads {over.read:.0f}; urgent {peak.urgent} and {over.urgent}")
    assert over.urgent["failed"] == 0
    # Somewhere between a few times the work and far from the deadline.
    assert over.urgent["p99Micros"] <= max(DEADLINE_MS * 1000 // 2, server.work_ms * 6_000)
    assert over.goodput + over.read >= 0.8 * peak.goodput
    return over


def test_an_overloaded_server_goes_on_at_its_peak():
    overloaded(Server(places=8, work_ms=25), warm_up=1, measured=3)


@pytest.mark.long
@pytest.mark.parametrize("server", [
    Server(places=20, work_ms=5), Server(places=20, work_ms=20), Server(places=50, work_ms=100),
    Server(places=1, work_ms=5, computes=True)], ids=str)
def test_an_overloaded_server_goes_on_at_its_peak_for_minutes(server):
    overloaded(server, warm_up=10, measured=60)


@pytest.mark.long
def test_under_overload_reads_give_way():
    server = Server(places=20, work_ms=50)
    over = overloaded(server, warm_up=15, measured=60, read_rate=server.capacity)
    assert over.read < over.goodput / 2


@pytest.mark.long
def test_without_limits_nothing_would_be_answered_in_time():
    """What the others are about: the same load on a server that admits everything."""
    server = Server(places=20, work_ms=20)
    with EchoServer(*server.options, "--limit-min", 1_000_000, "--limit-max", 1_000_000) as echo:
        with Load(
                [echo.address], server.capacity * 3, "--deadline", DEADLINE_MS, "--outstanding", 100_000) as load:
            before = load.await_started(server.capacity * 30)
            after = load.await_started(server.capacity * 60)
            assert after["succeeded"] - before["succeeded"] < 0.5 * (after["started"] - before["started"]) / 3
