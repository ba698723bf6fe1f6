"""Two replicas are restarted in turn while calls keep coming: none of them fails."""

import collections
import threading
import time

import grpc
import pytest

import mobo_process
from mobo_deployment import await_true
from mobo_echo import EchoServer, Load
from mobo_h2load import payload

MESSAGE = payload(b"sixteen bytes...")


def await_visit(server):
    """A rollout goes on when the new replica has work; that of these clients has it when they are connected again."""
    await_true(lambda: mobo_process.connections_at(server.port) > 0, f"a client at {server.address}", 60)


def roll(replicas, restarts, spreads, between):
    for number in range(restarts):
        replica = replicas[number % len(replicas)]
        code = replica.close()
        assert code == 0, f"restart {number + 1}: a replica ended with {code}"
        replica.start()
        if spreads:
            await_visit(replica)
        between()


class StockLoad:
    """grpcio, spreading calls over all replicas at a steady rate.

    Without a retry policy it sends again what has not left it or what no server has processed, nothing else. To switch
    that off too (grpc.enable_retries) would not do: a call that it is about to write when GOAWAY comes then fails
    within it, whoever the server is.
    """

    OPTIONS = (
        ("grpc.lb_policy_name", "round_robin"), ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 1_000))

    def __init__(self, addresses, rate):
        self.channel = grpc.insecure_channel("ipv4:" + ",".join(addresses), options=self.OPTIONS)
        grpc.channel_ready_future(self.channel).result(30)
        self.pause = 1 / rate
        self.results = collections.Counter()
        self._answered = threading.Condition()
        self._started = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        unary = self.channel.unary_unary("/bench.v1.Echo/Unary")
        due = time.monotonic()
        while not self._stopping.wait(max(0, due - time.monotonic())):
            due += self.pause
            self._started += 1
            unary.future(MESSAGE, timeout=20).add_done_callback(self._ended)

    def _ended(self, call):
        code = call.code()
        text = code.name if code == grpc.StatusCode.OK else f"{code.name}: {call.details()}"
        with self._answered:
            self.results[text] += 1
            self._answered.notify_all()

    def await_successes(self, count):
        with self._answered:
            wanted = self.results["OK"] + count
            assert self._answered.wait_for(lambda: self.results["OK"] >= wanted, 60), self.results

    def finish(self):
        """How often each outcome was seen, when every call has ended."""
        self._stopping.set()
        self._thread.join()
        with self._answered:
            assert self._answered.wait_for(lambda: self.results.total() == self._started, 60)
        self.channel.close()
        return self.results


def our_client(policy, restarts, rate):
    """With pick_first all calls go to one replica until that tells them to go; then they find the other."""
    spreads = policy != "pick_first"
    with EchoServer() as first, EchoServer() as second:
        with Load([first.address, second.address], rate, "--policy", policy) as load:
            load.await_successes(rate)
            if spreads:
                await_visit(first)
                await_visit(second)
            roll((first, second), restarts, spreads, lambda: load.await_successes(rate))
            result = load.finish()
        print(f"{restarts} restarts, our client with {policy}: {result}")
        assert result["failed"] == 0, result
        assert result["succeeded"] == result["started"] > restarts * rate


def stock_client(restarts, rate):
    with EchoServer() as first, EchoServer() as second:
        load = StockLoad([first.address, second.address], rate)
        load.await_successes(rate)
        await_visit(first)
        await_visit(second)
        roll((first, second), restarts, True, lambda: load.await_successes(rate))
        results = load.finish()
        print(f"{restarts} restarts, grpcio: {dict(results)}")
        assert set(results) == {"OK"}, results


@pytest.mark.parametrize("policy", ["round_robin", "pick_first"])
def test_two_restarts_fail_no_call_of_our_client(policy):
    our_client(policy, restarts=2, rate=300)


def test_two_restarts_fail_no_call_of_a_stock_client():
    stock_client(restarts=2, rate=200)


@pytest.mark.long
@pytest.mark.parametrize("policy", ["round_robin", "least_request", "pick_first"])
def test_twenty_restarts_fail_no_call_of_our_client(policy):
    our_client(policy, restarts=20, rate=2_000)


@pytest.mark.long
def test_twenty_restarts_fail_no_call_of_a_stock_client():
    stock_client(restarts=20, rate=500)
