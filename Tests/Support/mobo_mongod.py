"""mongods of a test's own, because the test kills them or has them elect."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pymongo

import mobo_process

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Mongod:
    """A single-node replica set on a port that stays its own."""

    def __init__(self, replica_set="rs0"):
        self.folder = tempfile.mkdtemp(prefix="mobo-mongod-")
        self.port = mobo_process.lasting_port()
        self.host = f"127.0.0.1:{self.port}"
        self.replica_set = replica_set
        self.uri = f"mongodb://{self.host}/" + (f"?replicaSet={replica_set}" if replica_set else "")
        self.process = None

    def launch(self):
        """Starts it without waiting for anything."""
        set_options = ["--replSet", self.replica_set] if self.replica_set else []
        with open(f"{self.folder}/mongod.log", "ab") as log:
            self.process = mobo_process.spawn(
                [os.environ["MOBO_MONGOD"], *set_options, "--bind_ip", "127.0.0.1", "--port", self.port, "--dbpath",
                 self.folder, "--wiredTigerCacheSizeGB", "0.25", "--setParameter", "enableTestCommands=1"],
                stdout=log, stderr=log)
        return self

    def start(self):
        """Returns when it takes writes."""
        self.launch()
        subprocess.run([sys.executable, ROOT / "deploy/local/replicaset.py", str(self.port)], check=True)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def client(self):
        return pymongo.MongoClient(self.uri)

    def direct(self):
        """A client of this one server, whatever it is at the moment."""
        return pymongo.MongoClient(self.host, directConnection=True, serverSelectionTimeoutMS=30_000)

    def await_listening(self):
        with self.direct() as client:
            client.admin.command("ping")
        return self

    def close(self):
        # Its data goes too, so it need not hand over or write down anything, for which it would take its time.
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class ReplicaSet:
    """Members of one set, quick to notice each other's end; the last `arbiters` of them only vote."""

    def __init__(self, members=3, arbiters=0):
        self.members = [Mongod() for _ in range(members)]
        self._arbiters = arbiters
        self.uri = f"mongodb://{','.join(member.host for member in self.members)}/?replicaSet=rs0"

    def start(self):
        for member in self.members:
            member.launch()
        for member in self.members:
            member.await_listening()
        data = len(self.members) - self._arbiters
        config = {
            "_id": "rs0",
            "settings": {"electionTimeoutMillis": 1_000, "heartbeatIntervalMillis": 200, "heartbeatTimeoutSecs": 1},
            "members": [
                {"_id": number, "host": member.host, "arbiterOnly": number >= data}
                for number, member in enumerate(self.members)]}
        with self.members[0].direct() as client:
            client.admin.command("replSetInitiate", config)
        self.await_primary()
        return self

    def await_primary(self, other_than=None, timeout=60):
        """The member that takes writes now."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for member in self.members:
                if member is other_than or member.process.poll() is not None:
                    continue
                with contextlib.suppress(pymongo.errors.PyMongoError), member.direct() as client:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return member
            time.sleep(0.05)
        raise AssertionError(f"no primary after {timeout} s")

    def step_down(self):
        """Has another member elected; returns it."""
        primary = self.await_primary()
        with primary.direct() as client, contextlib.suppress(pymongo.errors.AutoReconnect):
            client.admin.command({"replSetStepDown": 10, "secondaryCatchUpPeriodSecs": 5})
        return self.await_primary(other_than=primary)

    def kill_primary(self):
        """Kills it and waits for the next one; returns the killed one."""
        primary = self.await_primary()
        primary.kill()
        self.await_primary()
        return primary

    def close(self):
        for member in self.members:
            member.close()
