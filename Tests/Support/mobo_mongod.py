"""A mongod of a test's own, because the test kills it."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import pymongo

import mobo_process

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Mongod:
    """A single-node replica set on a port that stays its own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="mobo-mongod-")
        self.port = mobo_process.lasting_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/?replicaSet=rs0"
        self.process = None

    def start(self):
        """Returns when it takes writes."""
        log = open(f"{self.folder}/mongod.log", "ab")
        self.process = mobo_process.spawn(
            [os.environ["MOBO_MONGOD"], "--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", self.port, "--dbpath",
             self.folder, "--wiredTigerCacheSizeGB", "0.25", "--setParameter", "enableTestCommands=1"],
            stdout=log, stderr=log)
        log.close()
        subprocess.run([sys.executable, ROOT / "deploy/local/replicaset.py", str(self.port)], check=True)
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def client(self):
        return pymongo.MongoClient(self.uri)

    def close(self):
        if self.process:
            mobo_process.stop(self.process, 20)
        shutil.rmtree(self.folder, ignore_errors=True)
