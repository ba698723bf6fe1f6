"""Two replicas of one service: background work is done by one of them, and goes on when that one dies or stops, or when
the database does.

The service is order, with audit as the receiver of its outbox; the work is watched from outside, in the lease document,
in /metrics and in what audit stores.
"""

import contextlib
import datetime
import re
import signal

import bson
import pytest

from mobo_clock import DAY, Clock, library
from mobo_deployment import Deployment, Service, await_true, free_ports
from mobo_mongod import Mongod, ReplicaSet


class Replicas:
    """Audit, and two processes of order on one database, each with a wall clock of its own."""

    def __init__(self, uri, folder):
        self.deployment = Deployment(uri)
        preloaded = library(folder)
        self.clocks = [Clock(folder / f"clock-{number}", preloaded) for number in range(2)]
        base = self.deployment["order"].environment
        self.replicas = []
        for number, clock in enumerate(self.clocks):
            grpc, admin = free_ports(2)
            self.replicas.append(Service("order", {
                **base, "GRPC_PORT": str(grpc), "ADMIN_PORT": str(admin), **clock.environment,
                "STATE_DIR": f"{self.deployment.folder}/order-{number}"}))
        self.database = self.deployment.database("order")
        self.logs = self.deployment.database("audit").audit_logs
        self.appended = []

    def start(self):
        self.deployment["audit"].start()
        for replica in self.replicas:
            replica.start(wait=False)
        for replica in self.replicas:
            replica.await_log("listening")
        return self

    def close(self):
        for replica in self.replicas:
            if replica.process and replica.process.poll() is None:
                replica.process.kill()
                replica.process.wait()
        self.deployment.close()

    @property
    def lease(self):
        return self.database.leases.find_one({"_id": "background"}) or {}

    def holds(self, replica):
        """Whether the lease document names this process."""
        return f"/{replica.process.pid}/" in (self.lease.get("holder") or "")

    def metric(self, replica, name):
        _, text = replica.admin("/metrics")
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text.decode(), re.MULTILINE)
        return float(found.group(1)) if found else None

    def leader(self):
        """The replica that holds the lease, by its own account and the document's, and the other one."""

        def found():
            leading = [one for one in self.replicas if self.holds(one) and self.metric(one, "lease_held") == 1]
            return leading[0] if leading else None

        leading = await_true(found, "one replica to hold the lease")
        return leading, next(one for one in self.replicas if one is not leading)

    def append(self, count=1):
        """Writes outbox documents as a transaction of the service would; they wake nobody but the change stream."""
        for _ in range(count):
            number = len(self.appended) + 1
            now = datetime.datetime.now(datetime.timezone.utc)
            payload = {
                "action": "ORDER_CREATED", "entityType": "Order", "entityId": "1", "actorId": None,
                "actorRoles": [], "requestId": None, "ip": None, "userAgent": None, "metadata": {}, "occurredAt": now}
            self.database.outbox.insert_one({
                "aggregate": "order/1", "seq": bson.Int64(number),
                "messages": [{"eventId": f"order/1/{number}#0", "topic": "audit", "payload": payload}],
                "dispatched": False, "dispatchedAt": None, "attempts": 0,
                "nextAttemptAt": datetime.datetime(1970, 1, 1), "createdAt": now})
            self.appended.append(f"order/order/1/{number}#0")

    def await_delivery(self):
        """Everything appended is in the audit log, each once and in order."""

        def stored():
            found = [entry["eventId"] for entry in self.logs.find({"service": "order"}, sort=[("_id", 1)])]
            assert len(found) == len(set(found)), "an entry was stored twice"
            return found if len(found) == len(self.appended) else None

        assert await_true(stored, "every entry in the audit log") == self.appended

    def renewals(self, count):
        """Returns after the lease was renewed so often."""
        seen = {self.lease["expiresAt"]}

        def renewed():
            seen.add(self.lease["expiresAt"])
            return len(seen) > count

        await_true(renewed, f"{count} renewals", 60)


@pytest.fixture
def replicas(mongodb_uri, tmp_path):
    running = Replicas(mongodb_uri, tmp_path)
    try:
        yield running.start()
    finally:
        running.close()


@contextlib.contextmanager
def stopped(replica):
    """SIGSTOP: alive for everybody else, and unaware of the time that passes."""
    replica.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        replica.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def marks_lost(replicas):
    """What is delivered is not marked as delivered: mongod fails the outbox's updates."""
    admin = replicas.deployment.mongo.admin
    admin.command({
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": {
            "failCommands": ["update"], "errorCode": 8, "appName": "mobo-order",
            "namespace": f"{replicas.database.name}.outbox"}})
    try:
        yield
    finally:
        admin.command({"configureFailPoint": "failCommand", "mode": "off"})


def test_the_other_replica_goes_on_after_a_stop_a_pause_and_a_kill(replicas):
    first, second = replicas.leader()
    token = replicas.lease["token"]
    replicas.append(3)
    replicas.await_delivery()
    assert replicas.metric(second, "lease_held") == 0
    assert replicas.metric(second, "outbox_attempts_total") == 0

    # A paused holder is followed, and what it does when it wakes up does no harm.
    with stopped(first):
        await_true(lambda: replicas.holds(second), "the other one to take over")
        assert replicas.lease["token"] == token + 1
        replicas.append(3)
        replicas.await_delivery()
    first.await_log("lease lost")
    await_true(lambda: replicas.metric(first, "lease_held") == 0, "the former one to know")
    replicas.append(3)
    replicas.await_delivery()
    assert replicas.holds(second) and replicas.lease["token"] == token + 1
    assert replicas.metric(second, "lease_takeovers_total") == 1
    assert replicas.metric(first, "lease_lost_total") == 1

    # A holder that is killed in mid-batch: audit has the entries, and nobody knows that.
    with marks_lost(replicas):
        delivered = len(replicas.appended) + 3
        replicas.append(3)
        await_true(lambda: replicas.logs.count_documents({"service": "order"}) == delivered, "the batch to arrive")
        second.kill()
    assert replicas.database.outbox.count_documents({"dispatched": False}) == 3
    replicas.append(3)
    await_true(lambda: replicas.holds(first), "the other one to take over")
    replicas.await_delivery()
    assert replicas.lease["token"] == token + 2
    await_true(lambda: not replicas.database.outbox.find_one({"dispatched": False}), "everything to be marked")

    # A clean stop gives the lease back: nobody is robbed, whoever comes next.
    assert first.stop() == 0
    assert replicas.lease["holder"] is None
    second.start(wait=False)
    second.await_log("lease taken")
    replicas.append(1)
    replicas.await_delivery()
    assert replicas.lease["token"] == token + 3


def test_wall_clocks_that_jump_by_a_day_move_no_lease(replicas):
    first, second = replicas.leader()
    clock = dict(zip(map(id, replicas.replicas), replicas.clocks))
    token = replicas.lease["token"]
    for of_holder, of_other in ((DAY, -DAY), (-DAY, DAY)):
        clock[id(first)].set(of_holder)
        clock[id(second)].set(of_other)
        # Whoever went by the wall clock would lose the lease, or take it, at once.
        replicas.renewals(2)
        assert replicas.holds(first) and replicas.lease["token"] == token
        assert replicas.metric(first, "lease_lost_total") == 0
        assert replicas.metric(second, "lease_acquired_total") == 0
        replicas.append(1)
        replicas.await_delivery()


@pytest.mark.long
def test_relay_and_lease_survive_a_database_that_is_killed(tmp_path):
    mongod = Mongod().start()
    replicas = Replicas(mongod.uri, tmp_path)
    try:
        replicas.start()
        replicas.leader()
        replicas.append(3)
        replicas.await_delivery()
        mongod.kill()
        for replica in replicas.replicas:
            replica.await_log("database disconnected")
        mongod.start()
        replicas.append(3)
        replicas.await_delivery()
        replicas.leader()
        # Nobody had to be started again.
        assert [replica.process.poll() for replica in replicas.replicas] == [None, None]
    finally:
        replicas.close()
        mongod.close()


@pytest.mark.long
def test_relay_and_lease_survive_elections(tmp_path):
    members = ReplicaSet().start()
    replicas = Replicas(members.uri, tmp_path)
    try:
        replicas.start()
        replicas.leader()
        for change in (members.step_down, members.step_down, members.kill_primary):
            token = replicas.lease["token"]
            replicas.append(3)
            change()
            replicas.append(3)
            replicas.await_delivery()
            replicas.leader()
            assert replicas.lease["token"] >= token
        assert [replica.process.poll() for replica in replicas.replicas] == [None, None]
    finally:
        replicas.close()
        members.close()
