"""A missing audit service delays nobody and loses nothing."""

import pytest

from mobo_deployment import Deployment, await_true, seed_id
from mobo_flow import AUDIT, ORDER, People, approved_order


@pytest.fixture
def fresh(mongodb_uri):
    running = Deployment(mongodb_uri)
    try:
        yield running.start()
    finally:
        running.close()


def test_entries_written_while_audit_was_away_arrive_once(fresh):
    people = People(fresh)
    assert fresh["audit"].stop() == 0
    order_id = approved_order(fresh, people, "AWAY-1", seed_id("D1"))
    fresh.call(f"{ORDER}/SettleOrder", {"orderId": order_id, "overrideCooling": True}, people.root, "settle")

    status, _, problem = fresh.post(f"{AUDIT}/ListAuditLogs", {}, people.root)
    assert (status, problem["code"]) == (503, "SERVICE_UNAVAILABLE")

    def written():
        """Event ids in the outboxes of all services, as audit knows them."""
        return {
            f"{service}/{message['eventId']}" for service in ("identity", "campaign", "order", "wallet")
            for entry in fresh.database(service).outbox.find({}) for message in entry["messages"]
            if message["topic"] == "audit"}

    expected = written()
    assert len(expected) >= 8

    fresh["audit"].start()

    def stored():
        found = [entry["eventId"] for entry in fresh.database("audit").audit_logs.find({})]
        assert len(found) == len(set(found)), "an entry was stored twice"
        return set(found) if expected <= set(found) else None

    await_true(stored, "every entry of the outboxes in the audit log", 60)
    actions = [
        item["action"]
        for item in fresh.call(f"{AUDIT}/ListAuditLogs", {"entityId": order_id}, people.root)["items"]]
    for action in ("ORDER_CREATED", "ORDER_VERIFIED", "ORDER_SETTLED"):
        assert actions.count(action) == 1


def test_a_database_that_goes_away_is_a_clear_failure_and_comes_back(fresh):
    """The whole set of processes survives commands that fail inside mongod, filtered to wallet."""
    people = People(fresh)
    admin = fresh.mongo.admin
    admin.command({
        "configureFailPoint": "failCommand", "mode": "alwaysOn",
        "data": {"failCommands": ["find", "aggregate"], "closeConnection": True, "appName": "mobo-wallet"}})
    try:
        status, _, problem = fresh.post("mobo.wallet.v1.WalletService/GetWallet", {}, people.shopper)
        assert (status, problem["code"]) == (503, "DATABASE_UNAVAILABLE")
    finally:
        admin.command({"configureFailPoint": "failCommand", "mode": "off"})
    await_true(
        lambda: fresh.post("mobo.wallet.v1.WalletService/GetWallet", {}, people.shopper)[0] == 200,
        "wallet to answer again", 30)
