"""kill -9 at the worst moments of a settlement: the money moves once, the ledger shows it."""

import contextlib
import threading

import pytest

from mobo_deployment import Deployment, await_true, seed_id
from mobo_flow import ORDER, People, approved_order, balances

SETTLED = {"brand": (4_990_000, 0, 0), "shopper": (5_000, 0, 0), "mediator": (5_000, 0, 0)}


@pytest.fixture
def fresh(mongodb_uri):
    """A deployment of one test, because the test breaks it."""
    running = Deployment(mongodb_uri)
    try:
        yield running.start()
    finally:
        running.close()


@contextlib.contextmanager
def failpoint(deployment, name, data=None):
    admin = deployment.mongo.admin
    admin.command({"configureFailPoint": name, "mode": "alwaysOn", **({"data": data} if data else {})})
    try:
        yield
    finally:
        admin.command({"configureFailPoint": name, "mode": "off"})


class Settlement(threading.Thread):
    """SettleOrder sent from another thread; the answer does not matter, the attempt does."""

    def __init__(self, deployment, people, order_id):
        super().__init__(daemon=True)
        self.arguments = (f"{ORDER}/SettleOrder", {"orderId": order_id, "overrideCooling": True}, people.root, "settle")
        self.deployment = deployment
        self.answer = None
        self.start()

    def run(self):
        try:
            self.answer = self.deployment.post(*self.arguments)
        except OSError as error:
            self.answer = error

    def repeat(self):
        """The same request with the same key, until the answer is definite."""

        def definite():
            status, _, answer = self.deployment.post(*self.arguments)
            assert status in (200, 503, 504) or answer.get("code") in (
                "WALLET_CONFLICT", "CONCURRENT_MODIFICATION", "ORDER_STATE_MISMATCH"), answer
            return answer if status == 200 else None

        return await_true(definite, "the repeated settlement", 60)


def settlement_rows(deployment, order_id):
    return list(deployment.database("wallet").transactions.find({"postingId": f"order-settle:{order_id}:1"}))


def books_are_right(deployment, people, order_id, answer):
    assert answer["outcome"] == "SETTLEMENT_OUTCOME_SETTLED"
    assert answer["order"]["workflowStatus"] == "WORKFLOW_STATUS_COMPLETED"
    assert balances(deployment, people) == SETTLED
    rows = settlement_rows(deployment, order_id)
    assert sorted((row["type"], row["amountPaise"]) for row in rows if not row["memo"]) == [
        ("commission_settle", 5_000), ("commission_settle", 5_000), ("order_settlement_debit", 10_000)]
    settlements = deployment.database("wallet").transactions.count_documents({"type": "order_settlement_debit"})
    assert settlements == 1


def in_progress(deployment, command):
    """Whether a command of the wallet service is inside mongod now (long ones are shown as cut-off text)."""
    operations = deployment.mongo.admin.command({"currentOp": 1, "appName": "mobo-wallet"})["inprog"]
    for operation in operations:
        shown = operation.get("command", {})
        if command in shown or shown.get("$truncated", "").startswith(f"{{ {command}:"):
            return True
    return False


@contextlib.contextmanager
def held_after_commit(deployment, people, order_id):
    """A settlement whose posting is committed while wallet still waits for mongod's answer.

    Two failpoints in turn: the first one blocks the commit of wallet on its way in, when order and campaign have
    written what comes before it; the second one then holds the answer on its way out.
    """
    block = {
        "failCommands": ["commitTransaction"], "blockConnection": True, "blockTimeMS": 1_500,
        "appName": "mobo-wallet"}
    with failpoint(deployment, "failCommand", block):
        settlement = Settlement(deployment, people, order_id)
        await_true(lambda: in_progress(deployment, "commitTransaction"), "the commit to reach mongod")
        hold = failpoint(deployment, "hangBeforeWaitingForWriteConcern")
        hold.__enter__()
    try:
        await_true(lambda: len(settlement_rows(deployment, order_id)) >= 3, "the commit to take effect")
        yield settlement
    finally:
        hold.__exit__(None, None, None)
    settlement.join()


def test_wallet_killed_before_its_commit(fresh):
    people = People(fresh)
    order_id = approved_order(fresh, people, "KILL-1", seed_id("D1"))
    # The rows of the posting block inside mongod, so its transaction is open when the process dies.
    block = {
        "failCommands": ["insert"], "blockConnection": True, "blockTimeMS": 2_000,
        "appName": "mobo-wallet", "namespace": f"{fresh.database_name('wallet')}.transactions"}
    with failpoint(fresh, "failCommand", block):
        settlement = Settlement(fresh, people, order_id)
        await_true(lambda: in_progress(fresh, "insert"), "the posting to reach mongod")
        fresh["wallet"].kill()
    settlement.join()
    assert settlement_rows(fresh, order_id) == []
    fresh["wallet"].start()
    books_are_right(fresh, people, order_id, settlement.repeat())


def test_wallet_killed_after_its_commit_but_before_the_answer(fresh):
    people = People(fresh)
    order_id = approved_order(fresh, people, "KILL-2", seed_id("D1"))
    with held_after_commit(fresh, people, order_id) as settlement:
        fresh["wallet"].kill()
    fresh["wallet"].start()
    books_are_right(fresh, people, order_id, settlement.repeat())


def test_order_killed_between_the_commit_of_wallet_and_its_own(fresh):
    people = People(fresh)
    order_id = approved_order(fresh, people, "KILL-3", seed_id("D1"))
    with held_after_commit(fresh, people, order_id) as settlement:
        fresh["order"].kill()
    stored = fresh.database("order").orders.find_one({"externalOrderId": "KILL-3"})
    assert stored["workflowStatus"] == "REWARD_PENDING", "the order must remember that it was settling"
    fresh["order"].start()
    books_are_right(fresh, people, order_id, settlement.repeat())
