"""A whole deployment for a test: six real processes over a real mongod, in databases of their own."""

import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

import grpc
import pymongo

from mobo_protos import load

DATABASES = ("identity", "campaign", "order", "wallet", "audit")
SERVICES = DATABASES + ("gateway",)
PASSWORD = "ChangeMe_123!"
CERTIFICATES = pathlib.Path(__file__).resolve().parents[2] / "deploy/certificates/certificates.sh"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def seed_id(key):
    """The fixed id that seed data gives to a key."""
    import hashlib

    return hashlib.sha256(f"mobo/seed/{key}".encode()).hexdigest()[:24]


def run(name, environment=None, *arguments, timeout=60):
    """One executable, to its end, with nothing of this environment."""
    binary = str(pathlib.Path(os.environ["MOBO_BIN_DIR"]) / name)
    base = {"PATH": os.environ["PATH"], "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")}
    return subprocess.run(
        [binary, *arguments], env={**base, **(environment or {})}, capture_output=True, text=True, timeout=timeout)


class Certificates:
    """The certificates of a deployment, made by the product's own script."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.run("issue")

    def run(self, command, *options):
        subprocess.run([CERTIFICATES, command, self.folder, *options], check=True, stdout=subprocess.DEVNULL)

    def path(self, service, name):
        return str(self.folder / service / name)

    def environment(self, service):
        return {
            "TLS_CERT_FILE": self.path(service, "tls.crt"), "TLS_KEY_FILE": self.path(service, "tls.key"),
            "TLS_CA_FILE": self.path(service, "ca.crt")}

    def channel(self, service, caller, port):
        """A stock channel with the certificate of `caller`."""
        authorities, key, certificate = (
            pathlib.Path(self.path(caller, name)).read_bytes() for name in ("ca.crt", "tls.key", "tls.crt"))
        return grpc.secure_channel(
            f"127.0.0.1:{port}", grpc.ssl_channel_credentials(authorities, key, certificate),
            # Stock clients know servers by host name; ours know them by the URI.
            options=(("grpc.ssl_target_name_override", service), ("grpc.use_local_subchannel_pool", 1)))


class Service:
    """One process of the deployment, with its log lines."""

    def __init__(self, name, environment):
        self.name = name
        self.environment = environment
        self.process = None
        self.lines = []
        self._changed = threading.Condition()

    @property
    def binary(self):
        return str(pathlib.Path(os.environ["MOBO_BIN_DIR"]) / self.name)

    def start(self, wait=True):
        with self._changed:
            self.lines = []
        self.process = subprocess.Popen(
            [self.binary], env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        if wait:
            self.await_log("listening")
            self.await_ready()

    def _read(self, process):
        for line in process.stderr:
            with self._changed:
                self.lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def await_log(self, message, timeout=60):
        """The first log object with this message; fails with the log when the process ends before."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                for line in self.lines:
                    if f'"message":"{message}"' in line:
                        return json.loads(line)
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"{self.name} never logged {message!r}:\n" + "\n".join(self.lines[-20:]))
                self._changed.wait(0.2)

    def await_ready(self, timeout=60):
        await_true(lambda: self.admin("/ready")[0] == 200, f"{self.name} to be ready", timeout)

    def admin(self, path):
        return http_get(f"http://127.0.0.1:{self.environment['ADMIN_PORT']}{path}")

    def signal(self, number):
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def stop(self):
        """SIGTERM; returns the exit code."""
        return self.signal(signal.SIGTERM)

    def kill(self):
        self.signal(signal.SIGKILL)


def http_get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def await_true(condition, what, timeout=30):
    """Polls a condition of another process; the bound is for failing, not for passing."""
    deadline = time.monotonic() + timeout
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(0.02)
    return result


class Deployment:
    def __init__(self, uri, extra=None, tls=False):
        self.uri = uri
        self.prefix = f"t_{secrets.token_hex(4)}"
        self.folder = tempfile.mkdtemp(prefix="mobo-deployment-")
        self.mongo = pymongo.MongoClient(uri)
        self.keys = {name: secrets.token_hex(32) for name in SERVICES + ("operator",)}
        keys_file = pathlib.Path(self.folder) / "service-keys.json"
        keys_file.write_text(json.dumps(self.keys))
        self.certificates = Certificates(f"{self.folder}/certificates") if tls else None
        ports = free_ports(13)
        self.http_port = ports[12]
        self.services = {}
        grpc_ports = dict(zip(SERVICES, ports))
        admin_ports = dict(zip(SERVICES, ports[6:]))
        self.grpc_ports = grpc_ports
        for name in SERVICES:
            environment = {
                "PATH": os.environ["PATH"],
                "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
                "APP_ENV": "test",
                "GRPC_PORT": str(grpc_ports[name]),
                "ADMIN_PORT": str(admin_ports[name]),
                **(self.certificates.environment(name) if tls else {"SERVICE_KEYS_FILE": str(keys_file)}),
                "STATE_DIR": f"{self.folder}/{name}",
                "MONGODB_URI": uri,
                "MONGODB_DBNAME": self.database_name(name),
                "SEED_PROFILE": "base",
                "PASSWORD_HASH_MEMORY_KIB": "1024",
                "PASSWORD_HASH_PASSES": "1",
                "RATE_LIMIT_MULTIPLIER": "1000",
                "AUTH_CACHE_TTL_MS": "0",
                "PROOF_MIN_BYTES": "1",
                **{f"{other.upper()}_TARGET": f"127.0.0.1:{grpc_ports[other]}" for other in DATABASES},
                **(extra or {}),
            }
            if name == "gateway":
                environment["HTTP_PORT"] = str(self.http_port)
            self.services[name] = Service(name, environment)

    def __getitem__(self, name):
        return self.services[name]

    def database_name(self, service):
        return f"{self.prefix}_{service}"

    def database(self, service):
        return self.mongo[self.database_name(service)]

    def start(self, *names):
        """All services, or only these."""
        started = [service for name, service in self.services.items() if not names or name in names]
        for service in started:
            service.start(wait=False)
        for service in started:
            service.await_log("listening")
            service.await_ready()
        return self

    def close(self):
        codes = {}
        for service in self.services.values():
            if service.process and service.process.poll() is None:
                service.process.terminate()
        for name, service in self.services.items():
            if service.process:
                try:
                    codes[name] = service.process.wait(timeout=40)
                except subprocess.TimeoutExpired:
                    service.process.kill()
                    codes[name] = "killed"
        for name in DATABASES:
            self.mongo.drop_database(self.database_name(name))
        self.mongo.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return codes

    # --- gRPC, with stock clients ---

    def channel(self, service, caller="operator"):
        """With TLS the certificate of `caller` says who calls; without it metadata do (`credentials`)."""
        if self.certificates:
            return self.certificates.channel(service, caller, self.grpc_ports[service])
        return grpc.insecure_channel(f"127.0.0.1:{self.grpc_ports[service]}")

    def stub(self, service, internal=False, caller="operator"):
        """The stock stub of a service, on a new channel."""
        module = load(f"mobo.{service}.v1.{service}_service_pb2_grpc")
        name = f"{service.capitalize()}{'Internal' if internal else ''}ServiceStub"
        return getattr(module, name)(self.channel(service, caller))

    def credentials(self, caller, actor="SYSTEM", roles=""):
        """Metadata of an internal call in the name of a service."""
        return (
            ("mobo-service", caller), ("mobo-service-key", self.keys[caller]), ("mobo-actor", actor),
            ("mobo-actor-roles", roles))

    # --- JSON, through the gateway ---

    def post(self, method, body, token=None, key=None, headers=None, timeout=40):
        """Status, headers and parsed body of POST /<method>."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if key:
            sent["Idempotency-Key"] = key
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/{method}", payload, sent)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.loads(error.read() or b"{}")

    def call(self, method, body, token=None, key=None):
        """The answer of a call that must succeed."""
        status, _, answer = self.post(method, body, token, key)
        assert status == 200, f"{method}: {status} {answer}"
        return answer

    def login(self, **who):
        body = {"password": PASSWORD, **who}
        return self.call("mobo.identity.v1.IdentityService/Login", body)["tokens"]["accessToken"]

    def wallet(self, token, **body):
        return self.call("mobo.wallet.v1.WalletService/GetWallet", body, token)["wallet"]
