"""What each process says of itself, over HTTP and over gRPC (DOMAIN 12.3)."""

import datetime
import json
import urllib.error
import urllib.request

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from mobo_deployment import DATABASES, SERVICES, await_true, http_get

CONNECTED = {"status": "connected", "readyState": 1}


def answer(deployment, name, path):
    status, body = deployment[name].admin(path)
    return status, json.loads(body)


def public(deployment, path):
    status, body = http_get(f"http://127.0.0.1:{deployment.http_port}{path}")
    return status, json.loads(body)


@pytest.mark.parametrize("name", SERVICES)
def test_live_and_ready_are_ok(deployment, name):
    assert answer(deployment, name, "/live") == (200, {"status": "ok"})
    assert answer(deployment, name, "/ready") == (200, {"status": "ok"})


@pytest.mark.parametrize("name", DATABASES)
def test_a_service_tells_the_state_of_its_database_and_nothing_else(deployment, name):
    status, body = answer(deployment, name, "/health")
    assert status == 200
    timestamp = body.pop("timestamp")
    assert timestamp.endswith("Z")
    told = datetime.datetime.fromisoformat(timestamp.replace("Z", "+00:00"))
    assert abs((datetime.datetime.now(datetime.timezone.utc) - told).total_seconds()) < 60
    assert body == {"status": "ok", "database": CONNECTED}


def test_the_gateway_tells_the_state_of_every_service_on_both_ports(deployment):
    for status, body in (answer(deployment, "gateway", "/health"), public(deployment, "/health")):
        assert status == 200 and set(body) == {"status", "timestamp", "services"}
        assert body["status"] == "ok" and body["services"] == {name: "ok" for name in DATABASES}


@pytest.mark.parametrize("name", SERVICES)
def test_the_health_protocol_says_the_same(deployment, name):
    with deployment.channel(name) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        status = stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status
    assert status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("name", DATABASES)
def test_the_pool_and_the_commands_are_measured(deployment, name):
    text = deployment[name].admin("/metrics")[1].decode()
    for metric in (
            'db_client_connection_count{state="idle"}', 'db_client_connection_count{state="used"}',
            "db_client_connection_max 50", "db_client_connection_idle_min 10",
            "db_client_connection_pending_requests 0", "db_client_connection_wait_time_seconds_count",
            'db_client_operation_duration_seconds_count{db_operation_name="find",outcome="ok"}', "mongodb_connected 1",
            "mongodb_ready_state 1", 'mongodb_topology_events_total{event="connected"} 1'):
        assert metric in text, metric


@pytest.mark.parametrize("name", DATABASES)
def test_the_way_to_the_database_is_told_at_the_start(deployment, name):
    line = next(json.loads(line) for line in deployment[name].lines if "connecting to the database" in line)
    for setting in ("pool=10...50", "serverSelection=5.0", "socket=45.0", "waitQueue=5.0", "family=4"):
        assert setting in line["database"], line


def test_the_gateway_is_degraded_while_a_service_is_away_and_no_longer(deployment):
    try:
        assert deployment["audit"].stop() == 0

        def degraded():
            status, body = public(deployment, "/health")
            return body if status == 503 else None

        body = await_true(degraded, "the gateway to be degraded")
        assert body["status"] == "degraded" and body["services"].pop("audit") != "ok"
        assert set(body["services"].values()) == {"ok"}
    finally:
        deployment["audit"].start()
    await_true(lambda: public(deployment, "/health")[0] == 200, "the gateway to be well again")


def test_only_get_and_head_are_answered(deployment):
    url = f"http://127.0.0.1:{deployment['wallet'].environment['ADMIN_PORT']}/health"
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(url, b"{}"), timeout=5)
    assert refused.value.code == 405 and refused.value.headers["allow"] == "GET, HEAD"
    problem = json.load(refused.value)
    assert set(problem) == {"type", "title", "status", "detail", "code", "requestId"}
