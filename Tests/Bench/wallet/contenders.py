"""Who moves the money in `bench wallet`: each starts what it needs when it is entered, and ends it when it is left."""

import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from mobo_process import cpu_seconds, spawn, stop
from wallet_report import Run

HERE = pathlib.Path(__file__).resolve().parent
REPLICA_SET = HERE.parents[2] / "deploy/local/replicaset.py"


class Failed(Exception):
    pass


class Missing(Exception):
    pass


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Contender:
    name = ""
    # How many at a time, where that is not for whoever measures to say.
    numbers = ()

    def __init__(self, binaries, mongod, wallets, say):
        self.binaries = binaries
        self.mongod = mongod
        self.wallets = wallets
        self.say = say
        self.folder = None
        self.processes = {}

    def __enter__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mobo-bench-"))
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes.values()):
            stop(process, 20)
        self.processes = {}
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self):
        raise NotImplementedError

    def problems(self):
        return []

    # --- shared by the two on MongoDB ---

    def start_mongod(self):
        if not self.mongod:
            raise Missing("no mongod")
        port = free_port()
        self.uri = f"mongodb://127.0.0.1:{port}/?replicaSet=rs0"
        (self.folder / "mongo").mkdir()
        self.processes["database"] = spawn(
            [*self.mongod, "--replSet", "rs0", "--bind_ip", "127.0.0.1", "--port", port, "--dbpath",
             self.folder / "mongo", "--wiredTigerCacheSizeGB", "4"],
            stdout=open(self.folder / "mongod.log", "wb"), stderr=subprocess.STDOUT)
        if subprocess.run([sys.executable, REPLICA_SET, str(port)]).returncode != 0:
            raise Failed("mongod did not become primary")

    def fill(self, database):
        self.driver("fill", "--mongo", self.uri, "--database", database, "--wallets", self.wallets)

    def driver(self, *arguments, timeout=600):
        command = [str(part) for part in (self.binaries / "bench-wallet", *arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
        if done.returncode != 0:
            raise Failed(f"bench-wallet {arguments[0]}: {done.stderr.strip()[-500:]}")
        return json.loads(done.stdout) if done.stdout.strip() else None

    def load(self, callers, hot, seconds, rate, *arguments):
        before = {name: cpu_seconds(process.pid) for name, process in self.processes.items()}
        children = os.times()
        result = self.driver(
            *arguments, "--wallets", self.wallets, "--callers", callers, "--hot", hot, "--seconds", seconds,
            "--rate", rate)
        cpu = {name: round(cpu_seconds(process.pid) - before[name], 3) for name, process in self.processes.items()}
        after = os.times()
        cpu["load"] = round(
            after.children_user + after.children_system - children.children_user - children.children_system, 3)
        return Run(
            self.name, callers, hot, rate, result["transfers"], result["seconds"], result["perSecond"],
            result["p50Micros"], result["p99Micros"], result["conflicts"], cpu, result["warmUps"])

    def book_problems(self, database):
        """What contradicts the books: balances, rows and versions, all of them summed by the server."""
        import pymongo  # Not needed by whoever only asks for help.

        books = pymongo.MongoClient(self.uri)[database]
        inside = next(books.wallets.aggregate([{"$group": {
            "_id": None, "paise": {"$sum": {"$add": ["$availablePaise", "$lockedPaise"]}},
            "least": {"$min": "$availablePaise"}, "versions": {"$sum": "$version"}}}]))
        signed = {"$cond": [{"$eq": ["$direction", "credit"]}, "$amountPaise", {"$multiply": ["$amountPaise", -1]}]}
        sums = {one["_id"]: one for one in books.transactions.aggregate([
            {"$group": {"_id": "$account", "paise": {"$sum": signed}, "rows": {"$sum": 1}}}])}
        entered = -sums["external"]["paise"]
        found = []
        if inside["paise"] != entered or sums["wallet"]["paise"] != entered:
            found.append(f"{inside['paise']} in wallets, {sums['wallet']['paise']} in rows, {entered} came in")
        if inside["least"] < 0:
            found.append(f"a wallet has {inside['least']}")
        if inside["versions"] != sums["wallet"]["rows"]:
            found.append(f"versions come to {inside['versions']}, rows to {sums['wallet']['rows']}")
        odd = next(books.transactions.aggregate([
            {"$match": {"account": "wallet"}},
            {"$group": {"_id": "$walletId", "rows": {"$sum": 1}, "last": {"$max": "$walletVersionAfter"},
                        "first": {"$min": "$walletVersionAfter"}}},
            {"$match": {"$expr": {"$or": [{"$ne": ["$rows", "$last"]}, {"$ne": ["$first", 1]}]}}}]), None)
        if odd:
            found.append(f"wallet {odd['_id']} has {odd['rows']} rows up to version {odd['last']}")
        return found


class Direct(Contender):
    """Whoever writes to MongoDB without a service."""

    # Of bench-wallet, and the database that it works on.
    command = ""

    def start(self):
        self.start_mongod()
        self.fill(self.command)

    def run(self, callers, hot, seconds, rate=0):
        return self.load(
            callers, hot, seconds, rate, self.command, "--mongo", self.uri, "--database", self.command)

    def problems(self):
        return self.book_problems(self.command)


class Plain(Direct):
    """One transaction per transfer, on the same driver, rows and indexes."""

    name = command = "plain"


class Service(Contender):
    """The wallet service, as it is, over gRPC."""

    name = "service"

    def start(self):
        self.start_mongod()
        self.fill("service")
        self.port, admin = free_port(), free_port()
        self.key = secrets.token_hex(32)
        keys = self.folder / "keys.json"
        keys.write_text(json.dumps({"order": self.key, "wallet": secrets.token_hex(32)}))
        keys.chmod(0o600)
        log = open(self.folder / "wallet.log", "wb")
        self.processes["service"] = spawn([self.binaries / "wallet"], stdout=log, stderr=log, env={
            "PATH": os.environ["PATH"], "APP_ENV": "test", "GRPC_PORT": str(self.port), "ADMIN_PORT": str(admin),
            "MONGODB_URI": self.uri, "MONGODB_DBNAME": "service", "SERVICE_KEYS_FILE": str(keys),
            "STATE_DIR": str(self.folder / "state"), "LOG_LEVEL": "warning",
            **{name: os.environ[name] for name in ("LD_LIBRARY_PATH", "ADMISSION_LIMIT_MAX", "ADMISSION_LIMIT_MIN")
               if name in os.environ}})
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.processes["service"].poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"wallet did not start: {(self.folder / 'wallet.log').read_text()[-500:]}") from None
                time.sleep(0.05)

    def run(self, callers, hot, seconds, rate=0):
        return self.load(
            callers, hot, seconds, rate, "service", "--target", f"127.0.0.1:{self.port}", "--key", self.key)

    def problems(self):
        return self.book_problems("service")


class Batches(Direct):
    """What the database allows: the service's batches without the service, each of as many transfers."""

    name = "database"
    command = "batches"
    # A lone call; what 256 callers come to, half of whom wait while the other half is committed; and the largest.
    numbers = (1, 128, 256, 500)


SCHEMA = """
CREATE TABLE wallets (id bigint PRIMARY KEY, available bigint NOT NULL CHECK (available >= 0), version bigint NOT NULL,
  updated_at timestamptz NOT NULL);
CREATE TABLE transactions (
  id bigint GENERATED ALWAYS AS IDENTITY, idempotency_key text NOT NULL, posting_id text NOT NULL, fingerprint text,
  type text NOT NULL, status text NOT NULL, account text NOT NULL, wallet_id bigint NOT NULL, bucket text NOT NULL,
  direction text NOT NULL, amount bigint NOT NULL, balance_after bigint NOT NULL, version_after bigint NOT NULL,
  memo boolean NOT NULL, order_id text NOT NULL, created_at timestamptz NOT NULL);
CREATE UNIQUE INDEX ON transactions (idempotency_key);
CREATE INDEX ON transactions (wallet_id, created_at DESC);
CREATE INDEX ON transactions (status, type, created_at DESC);
CREATE INDEX ON transactions (order_id, created_at);
INSERT INTO wallets SELECT n, 1000000000, 0, now() FROM generate_series(0, {last}) AS n;
CREATE FUNCTION transfer(owner bigint, shopper bigint, paise bigint, order_text text) RETURNS boolean AS $$
DECLARE posting text := 'order-settle:' || order_text || ':1'; o wallets; s wallets;
BEGIN
  IF EXISTS (SELECT 1 FROM transactions WHERE idempotency_key = posting || '#1') THEN RETURN false; END IF;
  -- Always in ascending order: no two transfers wait for each other.
  IF owner < shopper THEN
    UPDATE wallets SET available = available - paise, version = version + 1, updated_at = now()
      WHERE id = owner AND available >= paise RETURNING * INTO STRICT o;
  END IF;
  UPDATE wallets SET available = available + paise, version = version + 1, updated_at = now()
    WHERE id = shopper RETURNING * INTO STRICT s;
  IF owner > shopper THEN
    UPDATE wallets SET available = available - paise, version = version + 1, updated_at = now()
      WHERE id = owner AND available >= paise RETURNING * INTO STRICT o;
  END IF;
  INSERT INTO transactions (idempotency_key, posting_id, fingerprint, type, status, account, wallet_id, bucket, direction,
      amount, balance_after, version_after, memo, order_id, created_at) VALUES
    (posting || '#1', posting, 'order_settlement_debit:' || owner || ':' || shopper || ':' || paise,
      'order_settlement_debit', 'completed', 'wallet', owner, 'available', 'debit', paise, o.available, o.version, false,
      order_text, now()),
    (posting || '#2', posting, NULL, 'commission_settle', 'completed', 'wallet', shopper, 'available', 'credit', paise,
      s.available, s.version, false, order_text, now());
  RETURN true;
END $$ LANGUAGE plpgsql;
"""

SCRIPT = """\
\\set dice random(1, 100)
\\set owner random(0, {half} - 1)
\\if :dice <= {hot}
\\set owner 0
\\endif
\\set shopper random({half}, {half} * 2 - 1)
\\set n :n + 1
\\set order :client_id * 1000000000 + :n
SELECT transfer(:owner, :shopper, 1, (:order)::text);
"""


class Postgres(Contender):
    """A stored procedure in PostgreSQL as Debian packages it, in a cluster of its own."""

    name = "postgres"

    def start(self):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found:
            raise Missing("PostgreSQL is not installed (Debian package postgresql)")
        self.bin = found[-1].parent
        self.user = []
        if os.geteuid() == 0:  # The server refuses to run as root.
            self.user = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
            shutil.chown(self.folder, "postgres", "postgres")
        self.folder.chmod(0o755)
        self.number = 0
        data = self.folder / "data"
        self._run([self.bin / "initdb", "-D", data, "-U", "mobo", "-A", "trust", "--no-locale", "-E", "UTF8"])
        self.port = free_port()
        self.processes["database"] = spawn(
            [*self.user, self.bin / "postgres", "-D", data, "-p", self.port, "-h", "127.0.0.1", "-k", self.folder,
             "-c", "max_connections=300", "-c", "shared_buffers=4GB", "-c", "fsync=on", "-c", "max_wal_size=8GB"],
            stdout=open(self.folder / "postgres.log", "wb"), stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while subprocess.run([self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]).returncode != 0:
            if time.monotonic() > deadline or self.processes["database"].poll() is not None:
                raise Failed("PostgreSQL did not start")
            time.sleep(0.1)
        self._run([self.bin / "psql", *self._where(), "-q", "-v", "ON_ERROR_STOP=1", "-c",
                   SCHEMA.replace("{last}", str(self.wallets - 1))])

    def _where(self):
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "mobo", "-d", "postgres"]

    def _run(self, command):
        done = subprocess.run(
            [*self.user, *(str(part) for part in command)], capture_output=True, text=True, timeout=600, cwd="/")
        if done.returncode != 0:
            raise Failed(f"{command[0]}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def run(self, callers, hot, seconds, rate=0):
        self.number += 1
        script = self.folder / "transfer.sql"
        script.write_text(SCRIPT.format(half=self.wallets // 2, hot=hot))
        logs = self.folder / f"log{self.number}"
        logs.mkdir()
        if self.user:
            shutil.chown(logs, "postgres", "postgres")
        threads = min(callers, 2)
        self._run([
            self.bin / "pgbench", *self._where(), "-n", "-M", "prepared", "-f", script, "-c", callers, "-j", threads,
            "-T", max(1, round(seconds)), "-D", f"n={self.number * 10_000_000}", "-l", "--log-prefix", logs / "l"])
        micros, first, last = [], None, None
        for file in logs.iterdir():
            for line in file.read_text().splitlines():
                _, _, latency, _, second, micro = line.split()[:6]
                end = int(second) + int(micro) / 1e6
                micros.append(int(latency))
                first = end if first is None or end < first else first
                last = end if last is None or end > last else last
        shutil.rmtree(logs)
        micros.sort()
        if len(micros) < 2 or last <= first:
            raise Failed("pgbench finished nothing")
        elapsed = last - first
        return Run(
            self.name, callers, hot, 0, len(micros), elapsed, len(micros) / elapsed, micros[len(micros) // 2],
            micros[int(len(micros) * 0.99)], 0, {})

    def problems(self):
        lines = self._run([
            self.bin / "psql", *self._where(), "-At", "-F", " ", "-c",
            "SELECT sum(available), sum(version), min(available), (SELECT count(*) FROM transactions) FROM wallets"])
        paise, versions, least, rows = (int(part) for part in lines.split())
        found = []
        if paise != self.wallets * 1_000_000_000 or least < 0:
            found.append(f"{paise} in wallets, the least has {least}")
        if versions != rows:
            found.append(f"versions come to {versions}, rows to {rows}")
        return found
