"""The database is killed, elects another primary, or is none to work with: every answer stays true."""

import collections
import itertools
import json
import os
import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import mobo_process
from mobo_deployment import DATABASES, SERVICES, Deployment, await_true, run, seed_id
from mobo_flow import IDENTITY, WALLET, People
from mobo_mongod import Mongod, ReplicaSet
from mobo_wallet import Wallets
from wallet_checker import Checker, Load, repeat

# What a call may be told while the database is away; the last two come from callers of the service concerned.
CLEAR = {"DATABASE_UNAVAILABLE", "SERVICE_UNAVAILABLE", "GATEWAY_TIMEOUT", "DEADLINE_EXCEEDED"}
ELECTIONS_LONG = int(os.environ.get("MOBO_ELECTIONS", "20"))


class Deposits:
    """Deposits of one paisa, each sent once by one of several callers, through the gateway."""

    def __init__(self, deployment, token, owner, callers=4):
        self.acknowledged = []
        self.sent = 0
        self.failures = collections.Counter()
        self._deployment, self._token, self._owner = deployment, token, owner
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(callers)]
        for thread in self._threads:
            thread.start()

    def _run(self):
        while not self._stopping.is_set():
            ref = f"D-{next(self._numbers)}"
            body = {"ownerUserId": self._owner, "amountPaise": "1", "ref": ref}
            status, _, answer = self._deployment.post(f"{WALLET}/Deposit", body, self._token, ref)
            with self._changed:
                self.sent += 1
                if status == 200:
                    self.acknowledged.append(ref)
                else:
                    self.failures[answer.get("code", status)] += 1
                self._changed.notify_all()
            if status != 200:
                # A caller that is told to come back later does not hammer.
                self._stopping.wait(0.05)

    def await_acknowledged(self, count, timeout=60):
        with self._changed:
            wanted = len(self.acknowledged) + count
            assert self._changed.wait_for(lambda: len(self.acknowledged) >= wanted, timeout), dict(self.failures)

    def await_failures(self, count, timeout=60):
        with self._changed:
            assert self._changed.wait_for(lambda: self.failures.total() >= count, timeout)

    def finish(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def own():
    """Six processes over a mongod that only they use."""
    mongod = Mongod()
    try:
        # Calls wait this long for the database to come back before they fail.
        deployment = Deployment(mongod.start().uri, {"MONGO_SERVER_SELECTION_TIMEOUT_MS": "1000"})
        try:
            yield mongod, deployment.start()
        finally:
            if mongod.process.poll() is not None:
                mongod.start()
            codes = deployment.close()
            assert set(codes.values()) == {0}
    finally:
        mongod.close()


def health(service):
    status, body = service.admin("/health")
    return status, json.loads(body or b"{}")


def is_degraded(service):
    status, body = health(service)
    if status != 503:
        return False
    assert body["status"] == "degraded"
    assert body["database"] == {"status": "disconnected", "readyState": 0}
    return True


def serving(deployment, name):
    with deployment.channel(name) as channel:
        return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10).status


def connections(mongod, name):
    with mongod.client() as client:
        operations = client.admin.aggregate([
            {"$currentOp": {"idleConnections": True, "allUsers": True}}, {"$match": {"appName": f"mobo-{name}"}}])
        return len({operation["client"] for operation in operations if "client" in operation})


def books(deployment):
    """How often each deposit of a paisa is in the ledger of its owner."""
    rows = deployment.database("wallet").transactions.find(
        {"type": "brand_deposit", "amountPaise": 1, "direction": "credit"})
    return collections.Counter(row["postingId"].rpartition(":")[2] for row in rows)


def test_a_killed_and_restarted_database_loses_nothing_and_needs_no_restart_of_ours(own):
    mongod, deployment = own
    people = People(deployment)
    owner = seed_id("brandA")
    load = Deposits(deployment, people.root, owner)
    load.await_acknowledged(30)

    mongod.kill()
    killed = time.monotonic()
    for name in DATABASES:
        await_true(lambda: is_degraded(deployment[name]), f"{name} to notice", timeout=2)
    print(f"every service degraded {time.monotonic() - killed:.2f} s after the kill")
    gateway = await_true(lambda: health(deployment["gateway"])[0] == 503 and health(deployment["gateway"])[1], "gateway")
    assert gateway["status"] == "degraded" and set(gateway["services"]) == set(DATABASES)
    assert set(gateway["services"].values()) == {"degraded"}
    for name in DATABASES:
        assert serving(deployment, name) == health_pb2.HealthCheckResponse.NOT_SERVING
        assert deployment[name].admin("/ready")[0] == 503 and deployment[name].admin("/live")[0] == 200
    status, _, answer = deployment.post(f"{IDENTITY}/Login", {"mobile": "9000000004", "password": "ChangeMe_123!"})
    assert (status, answer["code"]) == (503, "DATABASE_UNAVAILABLE")
    load.await_failures(8)
    assert all(service.process.poll() is None for service in deployment.services.values())

    mongod.start()
    for name in SERVICES:
        await_true(lambda: health(deployment[name])[0] == 200, f"{name} to recover")
    load.await_acknowledged(30)
    load.finish()
    assert load.failures.total() >= 8 and set(load.failures) <= CLEAR, load.failures

    found = books(deployment)
    lost = [ref for ref in load.acknowledged if found[ref] != 1]
    assert lost == [] and max(found.values()) == 1
    assert int(deployment.wallet(people.brand)["availablePaise"]) == 5_000_000 + found.total()
    # Kept warm, also after the outage: the pool's ten connections and those of the monitoring.
    for name in DATABASES:
        await_true(lambda: connections(mongod, name) >= 10, f"{name} to have its connections again")
    lines = [json.loads(line) for line in deployment["wallet"].lines]
    said = [line["message"] for line in lines if line["message"].startswith("database ")]
    assert said.count("database disconnected") == 1 and said.count("database reconnected") == 1, said
    print(f"{len(load.acknowledged)} of {load.sent} acknowledged, {found.total()} booked, {dict(load.failures)}")


def elections(count, per_election):
    """Elections by turns of both kinds while two replicas of wallet post; the checker knows only what it sent."""
    members = ReplicaSet()
    try:
        wallets = Wallets(members.start().uri)
        try:
            wallets.start()
            clients = [wallets.client(wallets.port(number)) for number in (0, 1)]
            load = Load(clients, "elections")
            for number in range(count):
                load.await_answers(per_election)
                if number % 2 == 0:
                    members.step_down()
                else:
                    killed = members.kill_primary()
                    load.await_answers(per_election)
                    killed.launch().await_listening()
            load.await_answers(per_election)
            sent = load.finish()
            members.await_primary()
            problems = Checker(wallets.database, sent).contradictions() + repeat(sent, clients)
            problems += Checker(wallets.database, sent).contradictions()
            assert problems == [], "\n".join(problems[:20])
            done = sum(bool(request.done) for request in sent)
            silent = sum(None in request.answers for request in sent)
            print(f"{count} elections, {len(sent)} requests, {done} done, {silent} met silence: 0 lost, 0 doubled")
        finally:
            codes = wallets.close()
        assert set(codes) == {0}
    finally:
        members.close()


def test_elections_during_transactions_lose_nothing_and_double_nothing():
    elections(2, per_election=30)


@pytest.mark.long
def test_many_elections_during_transactions_lose_nothing_and_double_nothing():
    elections(ELECTIONS_LONG, per_election=200)


def start_on(uri, folder):
    return run("audit", {
        "MONGODB_URI": uri, "MONGODB_DBNAME": "t_unsuitable", "MONGO_SERVER_SELECTION_TIMEOUT_MS": "1500",
        "GRPC_PORT": "0", "ADMIN_PORT": "0", "STATE_DIR": str(folder), "APP_ENV": "test"})


def test_a_server_without_a_replica_set_is_refused_at_start(tmp_path):
    mongod = Mongod(replica_set=None)
    try:
        mongod.launch().await_listening()
        for uri in (mongod.uri, f"{mongod.uri}?replicaSet=rs0"):
            result = start_on(uri, tmp_path)
            assert result.returncode == 69 and "transactions need" in result.stderr, result.stderr
    finally:
        mongod.close()


def test_a_set_with_an_arbiter_is_refused_at_start(tmp_path):
    members = ReplicaSet(members=2, arbiters=1)
    try:
        result = start_on(members.start().uri, tmp_path)
        assert result.returncode == 69 and "arbiter" in result.stderr, result.stderr
    finally:
        members.close()
