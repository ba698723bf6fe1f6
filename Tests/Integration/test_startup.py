"""Processes that cannot work say why, with the right exit code, and touch nothing."""

import json
import socket

import pytest

from mobo_deployment import DATABASES, SERVICES, Deployment, free_ports, run


@pytest.mark.parametrize("name", SERVICES)
def test_help_version_and_unknown_options(name):
    assert run(name, None, "--help").returncode == 0
    assert run(name, None, "--version").returncode == 0
    assert run(name, None, "--no-such-option").returncode == 64


def test_wrong_configuration_lists_every_wrong_key():
    result = run("wallet", {"GRPC_PORT": "seventy", "MONGO_MAX_POOL_SIZE": "-3", "APP_ENV": "moon"})
    assert result.returncode == 78
    for key in ("GRPC_PORT", "MONGO_MAX_POOL_SIZE", "APP_ENV"):
        assert key in result.stderr


def test_unknown_keys_in_a_file_are_fatal(tmp_path):
    file = tmp_path / "wallet.json"
    file.write_text(json.dumps({"GRPC_PROT": 1}))
    result = run("wallet", {"CONFIG_FILE": str(file)})
    assert result.returncode == 78 and "GRPC_PROT" in result.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_check_config_prints_no_secret(name, tmp_path):
    environment = {"STATE_DIR": str(tmp_path)}
    if name != "gateway":
        environment["MONGODB_URI"] = "mongodb://somebody:hunter2secret@127.0.0.1:1/?replicaSet=rs0"
    result = run(name, environment, "--check-config")
    assert result.returncode == 0, result.stderr
    assert "GRPC_PORT" in result.stdout and "hunter2secret" not in result.stdout + result.stderr


@pytest.mark.parametrize("name", DATABASES)
def test_no_database_is_exit_69_with_a_clear_message(name, tmp_path):
    (port,) = free_ports(1)
    environment = {
        "MONGODB_URI": f"mongodb://127.0.0.1:{port}/?replicaSet=rs0", "MONGO_SERVER_SELECTION_TIMEOUT_MS": "500",
        "GRPC_PORT": "0", "ADMIN_PORT": "0", "STATE_DIR": str(tmp_path), "APP_ENV": "test"}
    result = run(name, environment)
    assert result.returncode == 69, result.stderr
    assert "MongoDB" in result.stderr


def test_a_taken_port_is_named(mongodb_uri, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = {
            "MONGODB_URI": mongodb_uri, "MONGODB_DBNAME": "t_taken_port", "GRPC_PORT": str(port), "ADMIN_PORT": "0",
            "STATE_DIR": str(tmp_path), "APP_ENV": "test"}
        result = run("audit", environment)
        assert result.returncode == 69 and str(port) in result.stderr
    import pymongo

    with pymongo.MongoClient(mongodb_uri) as client:
        client.drop_database("t_taken_port")


def test_a_service_starts_alone_and_stops_cleanly(mongodb_uri):
    deployment = Deployment(mongodb_uri)
    try:
        for name in SERVICES:
            service = deployment[name]
            service.start(wait=False)
            line = service.await_log("listening")
            assert line["service"] == name and line["grpc"].startswith("127.0.0.1:")
            assert ("http" in line) == (name == "gateway")
            assert service.admin("/live")[0] == 200
            assert service.stop() == 0
    finally:
        deployment.close()


@pytest.mark.parametrize("name", SERVICES)
def test_a_signal_is_heard_as_soon_as_the_process_speaks(mongodb_uri, name):
    deployment = Deployment(mongodb_uri)
    try:
        service = deployment[name]
        service.start(wait=False)
        service.await_log("starting")
        assert service.stop() == 0
    finally:
        deployment.close()


def test_migrations_report_and_run_once(mongodb_uri):
    deployment = Deployment(mongodb_uri)
    try:
        for name in DATABASES:
            environment = deployment[name].environment
            assert run(name, environment, "migrate", "up").returncode == 0
            status = run(name, environment, "migrate", "status")
            assert status.returncode == 0 and "001" in status.stdout
            assert run(name, environment, "migrate", "up").returncode == 0, "a second run has nothing to do"
    finally:
        deployment.close()
