import os

import pytest

from mobo_deployment import Deployment
from mobo_flow import People


@pytest.fixture(scope="session")
def mongodb_uri():
    return os.environ["MONGODB_URI"]


@pytest.fixture(scope="module")
def deployment(mongodb_uri):
    """Six processes with the base seed, shared by the tests of one module."""
    running = Deployment(mongodb_uri)
    try:
        yield running.start()
    finally:
        codes = running.close()
    assert set(codes.values()) <= {0, -9}, f"a process did not end cleanly: {codes}"


@pytest.fixture(scope="module")
def people(deployment):
    return People(deployment)
