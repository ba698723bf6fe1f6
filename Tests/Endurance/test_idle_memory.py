"""What a service holds while nobody asks it anything."""

import pytest

import mobo_process
from mobo_deployment import SERVICES

MIB = 1 << 20
IDLE_MAX = 40 * MIB


@pytest.mark.long
@pytest.mark.parametrize("name", SERVICES)
def test_an_idle_service_stays_under_forty_mebibytes(deployment, name):
    pid = deployment[name].process.pid
    resident = mobo_process.settled(lambda: mobo_process.resident_bytes(pid))
    print(f"{name}: {resident / MIB:.1f} MiB")
    assert resident < IDLE_MAX
