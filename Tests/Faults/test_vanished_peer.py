"""A server that is gone without a word: its kernel still takes connections and bytes, or nothing passes any more. Its
clients find out by asking for a sign of life, long before their calls' deadlines, and go elsewhere."""

import contextlib
import os
import signal

import pytest

from mobo_echo import EchoServer, Load
from mobo_proxy import Proxy

# Far longer than the test may take: no call is saved by its deadline.
DEADLINE_MS = 600_000


@contextlib.contextmanager
def stopped(server, proxy):
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextlib.contextmanager
def black_holed(server, proxy):
    proxy.hold()
    try:
        yield
    finally:
        proxy.let_go()


@pytest.mark.parametrize("vanished", [stopped, black_holed], ids=["stopped", "black hole"])
def test_calls_to_a_server_that_vanished_are_answered_by_another(vanished):
    options = ["--threads", 1, "--ping-interval-ms", 500]
    with EchoServer(*options) as gone, EchoServer(*options) as there, \
            contextlib.closing(Proxy(gone.port)) as proxy, \
            Load([f"127.0.0.1:{proxy.port}", there.address], 100, "--deadline", DEADLINE_MS, "--attempts", 3,
                 "--keepalive-ms", 1_000, "--keepalive-timeout-ms", 1_000) as load:
        load.await_successes(100)
        with vanished(gone, proxy):
            # By then half of two hundred calls have been given to the one that does not answer.
            before = load.await_started(load.await_started(0)["started"] + 200)
            load.await_successes(before["started"] - before["succeeded"])
            assert load.await_started(0)["failed"] == 0
        # It is taken back in.
        load.await_successes(100)
        assert load.finish()["failed"] == 0
