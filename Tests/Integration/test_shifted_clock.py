"""Business time follows the wall clock, also when it jumps; waits and leases do not."""

import pathlib
import shutil
import struct
import subprocess

import pytest

from mobo_deployment import Deployment, seed_id
from mobo_flow import AUDIT, ORDER, People, approved_order, balances

DAY = 86_400


class Clock:
    """The offset that the preloaded library adds to the wall clock of the six processes."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.set(0)

    def set(self, seconds):
        with open(self.file, "r+b" if self.file.exists() else "wb") as file:
            file.write(struct.pack("<q", seconds))


@pytest.fixture(scope="module")
def shifted(mongodb_uri, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clock")
    library = folder / "clockshift.so"
    source = pathlib.Path(__file__).parents[1] / "Support" / "clockshift.c"
    compiler = shutil.which("cc") or shutil.which("clang")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], check=True)
    clock = Clock(folder)
    running = Deployment(mongodb_uri, {"LD_PRELOAD": str(library), "MOBO_CLOCK_FILE": str(clock.file)})
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
