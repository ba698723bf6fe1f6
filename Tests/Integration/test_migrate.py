"""`migrate` as operators and CI see it: real executables, exit codes, kills."""

import json
import os
import pathlib
import re
import secrets
import subprocess

import bson
import pymongo
import pytest

from mobo_deployment import DATABASES, Certificates, Deployment, await_true, run

PENDING, CHANGED, DRIFTED, LOCKED, REFUSED = 10, 11, 12, 13, 14


class Schema:
    """One service's database, and its `migrate`."""

    def __init__(self, uri, service, folder):
        self.service = service
        self.client = pymongo.MongoClient(uri)
        self.name = f"t_{secrets.token_hex(4)}_{service}"
        self.database = self.client[self.name]
        self.environment = {
            "MONGODB_URI": uri, "MONGODB_DBNAME": self.name, "APP_ENV": "test", "STATE_DIR": str(folder)}

    def migrate(self, *arguments):
        return run(self.service, self.environment, "migrate", *arguments, timeout=120)

    def must(self, *arguments):
        result = self.migrate(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def start(self, *arguments):
        """The process, running, with its output in pipes."""
        binary = str(pathlib.Path(os.environ["MOBO_BIN_DIR"]) / self.service)
        base = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
        return subprocess.Popen(
            [binary, "migrate", *arguments], env={**base, **self.environment}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def close(self):
        self.client.drop_database(self.name)
        self.client.close()


@pytest.fixture
def schema(mongodb_uri, tmp_path):
    made = []

    def make(service):
        made.append(Schema(mongodb_uri, service, tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_ci_reads_exit_codes(schema):
    wallet = schema("wallet")
    assert wallet.migrate("status").returncode == 0
    assert wallet.migrate("status", "--exit-code").returncode == PENDING
    assert wallet.migrate("plan", "--exit-code").returncode == PENDING
    assert wallet.migrate("verify").returncode == PENDING
    assert wallet.database.list_collection_names() == [], "nobody who only looks changes anything"
    assert wallet.migrate("up", "--to", "999_unknown").returncode == 64
    assert wallet.migrate("up", "--pace", "0").returncode == 64
    wallet.must("up")
    for command in (["status", "--exit-code"], ["plan", "--exit-code"], ["verify"], ["drift"]):
        assert wallet.migrate(*command).returncode == 0, command

    wallet.database.holds.drop_index("brandUserId_1_open_1")
    for command in ("verify", "drift"):
        result = wallet.migrate(command)
        assert result.returncode == DRIFTED and "missing index holds.brandUserId_1_open_1" in result.stdout

    wallet.database.schema_migrations.update_one({"id": "003_holds_indexes"}, {"$set": {"checksum": "another"}})
    for command in (["status", "--exit-code"], ["verify"], ["up"], ["up", "--dry-run"]):
        result = wallet.migrate(*command)
        assert result.returncode == CHANGED and "003_holds_indexes" in result.stdout + result.stderr, command


def test_a_dry_run_prints_commands_and_counts_and_changes_nothing(schema):
    campaign = schema("campaign")
    campaign.must("up", "--to", "007_leases")
    campaign.database.slot_reservations.insert_many(reservations(30))
    before = campaign.database.slot_reservations.find_one()
    text = campaign.must("up", "--dry-run")
    assert text == campaign.must("plan")
    assert "slot_reservations: 30 of 30 documents are changed" in text
    commands = re.findall(r"db\.runCommand\((.*)\)$", text, re.MULTILINE)
    assert {"update", "collMod"} == {next(iter(json.loads(command))) for command in commands}
    assert campaign.database.slot_reservations.find_one() == before
    assert campaign.migrate("status", "--exit-code").returncode == PENDING
    rows = [line.split("\t") for line in campaign.must("status", "--tsv").splitlines()]
    assert [row[1] for row in rows] == ["applied"] * 7 + ["pending"] * 2


def test_duplicates_are_reported_and_nothing_is_changed(schema):
    wallet = schema("wallet")
    owner = bson.ObjectId()
    wallet.database.wallets.insert_many([
        {"ownerUserId": owner, "deletedAt": None}, {"ownerUserId": owner, "deletedAt": None}])
    assert wallet.migrate("plan", "--exit-code").returncode == REFUSED
    result = wallet.migrate("up")
    assert result.returncode == REFUSED
    assert "wallets.ownerUserId_1" in result.stderr and str(owner) in result.stderr
    assert set(wallet.database.list_collection_names()) == {"wallets", "schema_migrations"}
    assert list(wallet.database.wallets.index_information()) == ["_id_"]


def reservations(count):
    """Of the time before they carried an order's version."""
    now = bson.datetime.datetime.now(bson.datetime.timezone.utc)
    return [
        {
            "orderId": bson.ObjectId(), "campaignId": bson.ObjectId(), "mediatorCode": "MED_TEST",
            "agencyCode": "AGY_TEST", "state": "released", "releasedReason": None, "createdAt": now, "updatedAt": now,
        } for _ in range(count)]


def progress(process):
    """The documents that the next line of progress of the backfill tells of."""
    for line in process.stderr:
        found = re.search(r"backfill slot_reservations: (\d+) of", line)
        if found:
            return int(found.group(1))
    raise AssertionError("it ended without progress")


def old_reservations(campaign):
    return campaign.database.slot_reservations.count_documents({"orderVersion": {"$exists": False}})


@pytest.fixture
def backfilling(schema):
    """Campaign before its backfill, with documents for it."""
    campaign = schema("campaign")
    campaign.must("up", "--to", "007_leases")
    campaign.database.slot_reservations.insert_many(reservations(3_000))
    return campaign


def test_of_two_runners_one_works_and_the_other_waits_or_refuses(backfilling):
    first = backfilling.start("up", "--pace", "2000")
    assert progress(first) > 0
    refused = backfilling.migrate("up", "--no-wait")
    assert refused.returncode == LOCKED and f"/{first.pid}/" in refused.stderr, "it says who holds the lock"
    waiting = backfilling.start("up")
    assert first.wait(60) == 0
    output, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 0 and output == "nothing to apply\n"
    assert old_reservations(backfilling) == 0


def test_a_runner_killed_in_a_backfill_is_taken_over_where_it_stood(backfilling):
    first = backfilling.start("up", "--pace", "500")
    done = progress(first)
    first.kill()
    first.wait()
    left = old_reservations(backfilling)
    assert 0 < left <= 3_000 - done
    assert "unfinished" in backfilling.must("status")
    # What was changed already is not looked at again, whatever became of it.
    changed = backfilling.database.slot_reservations.find_one({"orderVersion": 0}, sort=[("_id", 1)])
    backfilling.database.slot_reservations.update_one({"_id": changed["_id"]}, {"$set": {"orderVersion": 7}})
    # The database's clock moves past the lease.
    backfilling.database.schema_migrations.update_one(
        {"_id": "lock"}, [{"$set": {"expiresAt": {"$subtract": ["$$NOW", 1]}}}])
    second = backfilling.start("up", "--no-wait")
    assert progress(second) > done
    assert second.wait(60) == 0
    assert old_reservations(backfilling) == 0
    assert backfilling.database.slot_reservations.count_documents({"orderVersion": 7}) == 1
    assert backfilling.migrate("verify").returncode == 0


@pytest.mark.long
def test_runners_killed_again_and_again_are_taken_over_within_their_lease(backfilling):
    for _ in range(4):
        runner = backfilling.start("up", "--pace", "500")
        progress(runner)
        runner.kill()
        runner.wait()
    # Each had waited for the lease of the one before; so does this one.
    assert backfilling.migrate("up").returncode == 0
    assert old_reservations(backfilling) == 0
    assert backfilling.migrate("verify").returncode == 0


@pytest.mark.long
def test_a_large_backfill_leaves_its_lock_to_nobody(schema):
    campaign = schema("campaign")
    campaign.must("up", "--to", "007_leases")
    for _ in range(20):
        campaign.database.slot_reservations.insert_many(reservations(10_000))
    # Longer than a lease, which it renews meanwhile.
    runner = campaign.start("up", "--pace", "5000")
    progress(runner)
    assert campaign.migrate("up", "--no-wait").returncode == LOCKED
    _, errors = runner.communicate(timeout=300)
    assert runner.returncode == 0, errors
    assert old_reservations(campaign) == 0


def test_production_builds_nothing_and_does_not_start_on_another_schema(schema, tmp_path):
    audit = schema("audit")
    certificates = Certificates(tmp_path / "certificates")
    production = {
        **audit.environment, "APP_ENV": "production", "GRPC_PORT": "0", "ADMIN_PORT": "0",
        **certificates.environment("audit")}
    result = run("audit", production)
    assert result.returncode == 69 and "migrate up" in result.stderr
    assert audit.database.list_collection_names() == []
    audit.must("up")
    audit.must("down", "--to", "003_audit_logs_pages")
    result = run("audit", production)
    assert result.returncode == 69 and "migrate up" in result.stderr
    assert audit.migrate("status", "--exit-code").returncode == PENDING


def test_a_process_whose_schema_is_taken_back_is_not_ready_until_it_is_there_again(mongodb_uri):
    deployment = Deployment(mongodb_uri)
    try:
        audit = deployment["audit"]
        audit.start()
        assert run("audit", audit.environment, "migrate", "down", "--to", "003_audit_logs_pages").returncode == 0
        await_true(lambda: audit.admin("/ready")[0] == 503, "the process to see it")
        assert b"schema" in audit.admin("/ready")[1] and audit.admin("/live")[0] == 200
        assert run("audit", audit.environment, "migrate", "up").returncode == 0
        audit.await_ready()
        assert audit.stop() == 0
    finally:
        deployment.close()


def test_mobo_migrate_shows_all_services_in_one_table(mongodb_uri, tmp_path):
    names = {service: f"t_{secrets.token_hex(4)}_{service}" for service in DATABASES}
    for service, name in names.items():
        configuration = {
            "MONGODB_URI": mongodb_uri, "MONGODB_DBNAME": name, "APP_ENV": "test", "STATE_DIR": str(tmp_path)}
        (tmp_path / f"{service}.json").write_text(json.dumps(configuration))

    def mobo(*arguments):
        return run("mobo", None, "migrate", *arguments, "--configuration", str(tmp_path), timeout=120)

    try:
        before = mobo("status", "--exit-code")
        assert before.returncode == PENDING
        lines = before.stdout.splitlines()
        assert lines[0].split() == ["SERVICE", "MIGRATION", "STATE", "SINCE", "DESCRIPTION"]
        assert {line.split()[0] for line in lines[1:]} == set(DATABASES)
        assert mobo("up").returncode == 0
        for action in ("verify", "drift"):
            result = mobo(action)
            assert result.returncode == 0, result.stdout
        with pymongo.MongoClient(mongodb_uri) as client:
            client[names["order"]].orders.create_index("byHand")
        drift = mobo("drift")
        assert drift.returncode == DRIFTED
        assert [line.split()[:3] for line in drift.stdout.splitlines() if "orders.byHand_1" in line] == [
            ["order", "undeclared", "index"]]
        assert mobo("down").returncode == 64
    finally:
        with pymongo.MongoClient(mongodb_uri) as client:
            for name in names.values():
                client.drop_database(name)
