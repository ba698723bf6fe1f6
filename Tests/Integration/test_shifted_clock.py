"""Business time follows the wall clock, also when it jumps; waits and leases do not."""

import pytest

from mobo_clock import DAY, Clock, library
from mobo_deployment import Deployment, seed_id
from mobo_flow import AUDIT, ORDER, People, approved_order, balances


@pytest.fixture(scope="module")
def shifted(mongodb_uri, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clock")
    clock = Clock(folder / "clock", library(folder))
    running = Deployment(mongodb_uri, clock.environment)
    try:
        yield running.start(), clock
    finally:
        clock.set(0)
        running.close()


def test_cooling_ends_when_the_clock_says_so(shifted):
    deployment, clock = shifted
    people = People(deployment)
    order_id = approved_order(deployment, people, "CLOCK-1", seed_id("D1"))
    status, _, problem = deployment.post(f"{ORDER}/SettleOrder", {"orderId": order_id}, people.agency, "too-early")
    assert (status, problem["code"]) == (409, "COOLING_PERIOD_ACTIVE")

    clock.set(14 * DAY + 60)
    status, _, problem = deployment.post(f"{ORDER}/SettleOrder", {"orderId": order_id}, people.agency, "expired")
    assert (status, problem["code"]) == (401, "TOKEN_EXPIRED")
    agency = deployment.login(mobile="9000000001")
    settled = deployment.call(f"{ORDER}/SettleOrder", {"orderId": order_id}, agency, "in-time")
    assert settled["order"]["workflowStatus"] == "WORKFLOW_STATUS_COMPLETED"

    # Back again, while everything runs: what was stored "in the future" still reads, new calls still work.
    clock.set(-2 * DAY)
    people = People(deployment)
    assert balances(deployment, people)["shopper"] == (5_000, 0, 0)
    items = deployment.call(f"{AUDIT}/ListAuditLogs", {"entityId": order_id}, people.root)["items"]
    assert items, "the log still answers"
    approved_order(deployment, people, "CLOCK-2", seed_id("D4"), 10_000)
