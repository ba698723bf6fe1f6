"""Each service's database user may do what the service does, and nothing else: on a mongod with access control."""

import os
import pathlib
import secrets
import stat
import subprocess
import sys

import pymongo
import pytest

from mobo_deployment import DATABASES, Deployment, await_true, free_ports, run, seed_id
from mobo_flow import People, approved_order

REPLICASET = pathlib.Path(__file__).resolve().parents[2] / "deploy/local/replicaset.py"


class GuardedMongod:
    """A replica set of one that asks who somebody is."""

    def __init__(self, folder):
        (self.port,) = free_ports(1)
        key = folder / "key"
        key.write_text(secrets.token_hex(64))
        key.chmod(0o400)
        (folder / "data").mkdir()
        self.process = subprocess.Popen(
            [os.environ["MOBO_MONGOD"], "--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", str(self.port),
             "--dbpath", str(folder / "data"), "--auth", "--keyFile", str(key), "--wiredTigerCacheSizeGB", "0.25"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        subprocess.run([sys.executable, REPLICASET, str(self.port)], check=True)
        self.password = secrets.token_hex(16)
        # The first user may be made by anybody on this machine.
        with pymongo.MongoClient("127.0.0.1", self.port, directConnection=True) as client:
            client.admin.command("createUser", "root", pwd=self.password, roles=["root"])

    @property
    def admin_uri(self):
        return f"mongodb://root:{self.password}@127.0.0.1:{self.port}/?replicaSet=rs0&authSource=admin"

    def close(self):
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    mongod = GuardedMongod(tmp_path_factory.mktemp("mongod"))
    try:
        yield mongod
    finally:
        mongod.close()


@pytest.fixture(scope="module")
def deployment(guarded):
    """Six processes under users of their own, on databases that users of their own have migrated."""
    made = Deployment(guarded.admin_uri)
    try:
        for name in DATABASES:
            service = made[name]
            environment = {**service.environment, "MONGODB_ADMIN_URI": guarded.admin_uri}
            del environment["MONGODB_URI"]
            result = run(name, environment, "migrate", "users")
            assert result.returncode == 0, result.stderr
            folder = pathlib.Path(environment["STATE_DIR"]) / "secrets"
            secret = (folder / f"mobo_{name}.password").read_text()
            assert secret not in result.stdout + result.stderr, "a password was printed"
            for file in folder.iterdir():
                assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
            service.environment = {
                **environment, "MONGODB_URI_FILE": str(folder / f"mobo_{name}.uri"),
                "MIGRATE_MONGODB_URI_FILE": str(folder / f"mobo_{name}_migrate.uri")}
            del service.environment["MONGODB_ADMIN_URI"]
            migrated = run(name, service.environment, "migrate", "up")
            assert migrated.returncode == 0, migrated.stderr
            assert run(name, service.environment, "migrate", "drift").returncode == 0
            service.environment["AUTO_MIGRATE"] = "false"
        yield made.start()
    finally:
        codes = made.close()
    assert set(codes.values()) == {0}, codes


def connect(deployment, name, user=""):
    """As a service's own user."""
    folder = pathlib.Path(deployment[name].environment["STATE_DIR"]) / "secrets"
    return pymongo.MongoClient((folder / f"mobo_{name}{user}.uri").read_text().strip())


def refused(action):
    with pytest.raises(pymongo.errors.OperationFailure) as failure:
        action()
    assert failure.value.code == 13, failure.value


def test_the_services_work_under_their_users(deployment):
    order = approved_order(deployment, People(deployment), "USERS-1", seed_id("D1"))
    assert order


@pytest.mark.parametrize("name", DATABASES)
def test_a_service_reaches_its_own_database_only(deployment, name):
    with connect(deployment, name) as client:
        own = client[deployment.database_name(name)]
        assert own.schema_migrations.count_documents({}) > 0
        for other in DATABASES:
            if other == name:
                continue
            theirs = client[deployment.database_name(other)]
            refused(lambda: theirs.outbox.find_one())
            refused(lambda: theirs.outbox.insert_one({}))
            refused(lambda: theirs.list_collection_names())
        refused(lambda: own.outbox.create_index("byHand"))
        refused(lambda: own.outbox.drop())
        refused(lambda: client.admin.command("usersInfo", 1))


def test_nobody_changes_or_removes_what_the_audit_log_holds(deployment):
    with connect(deployment, "audit") as client:
        database = client[deployment.database_name("audit")]
        log = database.audit_logs
        entry = await_true(log.find_one, "what the services have written to it")
        refused(lambda: log.update_one({"_id": entry["_id"]}, {"$set": {"action": "NOTHING"}}))
        refused(lambda: log.replace_one({"_id": entry["_id"]}, entry))
        refused(lambda: log.delete_one({"_id": entry["_id"]}))
        refused(lambda: log.find_one_and_delete({"_id": entry["_id"]}))
        refused(lambda: log.drop())
        refused(lambda: list(database.outbox.aggregate([{"$match": {}}, {"$out": "audit_logs"}])))
        assert log.find_one({"_id": entry["_id"]}) == entry
        # Its technical collections are its own.
        database.request_log.delete_many({"scope": "nobody's"})


def test_a_second_run_changes_nothing_and_takes_a_new_password(deployment, guarded):
    environment = {**deployment["wallet"].environment, "MONGODB_ADMIN_URI": guarded.admin_uri}
    file = pathlib.Path(environment["STATE_DIR"]) / "secrets" / "mobo_wallet_migrate.password"
    assert "updated mobo_wallet in" in run("wallet", environment, "migrate", "users").stdout
    assert run("wallet", environment, "migrate", "status", "--exit-code").returncode == 0
    file.write_text("a password that somebody chose: 7/@?")
    assert run("wallet", environment, "migrate", "users").returncode == 0
    with connect(deployment, "wallet", "_migrate") as client:
        assert client[deployment.database_name("wallet")].schema_migrations.count_documents({}) > 0
    assert run("wallet", environment, "migrate", "status", "--exit-code").returncode == 0


def test_without_access_control_it_says_so_and_does_nothing(mongodb_uri, tmp_path):
    environment = {"MONGODB_URI": mongodb_uri, "MONGODB_DBNAME": "t_no_users", "STATE_DIR": str(tmp_path / "state")}
    result = run("wallet", environment, "migrate", "users")
    assert result.returncode == 0 and "no access control" in result.stdout
    assert not (tmp_path / "state").exists()
