"""Replicas of wallet over one database, called by a stock client in the name of the service order."""

import json
import os
import pathlib
import secrets
import shutil
import tempfile

import grpc
import pymongo

import mobo_process
from mobo_deployment import Service, free_ports, seed_id
from mobo_protos import load
from mobo_proxy import Proxy

# What leaves the outcome open, or asks for the same request again; every other code is an answer.
OPEN = {
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED}


def error_code(error):
    """The stable code of a failed call."""
    return dict(error.trailing_metadata() or ()).get("mobo-error-code", error.code().name)


class Wallets:
    """So many replicas, seeded, over a database of their own; each is reached by the others through a proxy, if asked."""

    def __init__(self, uri, replicas=2, extra=None, behind_proxies=False):
        self.folder = tempfile.mkdtemp(prefix="mobo-wallets-")
        self.mongo = pymongo.MongoClient(uri)
        self.database_name = f"t_{secrets.token_hex(4)}_wallet"
        self.keys = {name: secrets.token_hex(32) for name in ("order", "operator", "wallet")}
        keys_file = pathlib.Path(self.folder) / "service-keys.json"
        keys_file.write_text(json.dumps(self.keys))
        self.replicas, self.proxies, self.targets = [], [], []
        for number in range(replicas):
            grpc_port = mobo_process.lasting_port()
            if behind_proxies:
                self.proxies.append(Proxy(grpc_port))
            self.targets.append(f"127.0.0.1:{self.proxies[-1].port if behind_proxies else grpc_port}")
            self.replicas.append(Service("wallet", {
                "PATH": os.environ["PATH"], "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
                "APP_ENV": "test", "GRPC_PORT": str(grpc_port), "ADMIN_PORT": str(free_ports(1)[0]),
                "ADVERTISED_TARGET": self.targets[-1], "SERVICE_KEYS_FILE": str(keys_file),
                "STATE_DIR": f"{self.folder}/{number}", "MONGODB_URI": uri, "MONGODB_DBNAME": self.database_name,
                "SEED_PROFILE": "base", **(extra or {})}))
        self._channels = []

    @property
    def database(self):
        return self.mongo[self.database_name]

    def start(self):
        for replica in self.replicas:
            replica.start()
        return self

    def port(self, replica):
        return int(self.replicas[replica].environment["GRPC_PORT"])

    def client(self, port):
        """A stock client of its own connection, which comes back soon after a restart."""
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=(
            ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 1_000),
            ("grpc.max_reconnect_backoff_ms", 500), ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1)))
        self._channels.append(channel)
        return Client(channel, self.keys)

    def close(self):
        for channel in self._channels:
            channel.close()
        for replica in self.replicas:
            if replica.process and replica.process.poll() is None:
                replica.process.terminate()
        codes = [replica.process.wait(timeout=40) for replica in self.replicas if replica.process]
        for proxy in self.proxies:
            proxy.close()
        self.mongo.drop_database(self.database_name)
        self.mongo.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        return codes


class Client:
    """The RPCs of wallet that belong to order, through one connection."""

    def __init__(self, channel, keys):
        service = load("mobo.wallet.v1.wallet_service_pb2_grpc")
        self.stub = service.WalletInternalServiceStub(channel)
        self.messages = load("mobo.wallet.v1.wallet_service_pb2")
        self.types = load("mobo.common.v1.types_pb2")
        self._keys = keys

    def metadata(self, caller="order"):
        return (
            ("mobo-service", caller), ("mobo-service-key", self._keys[caller]), ("mobo-actor", "SYSTEM"),
            ("mobo-actor-roles", ""))

    def future(self, method, fields, timeout=20):
        """The call under way; `fields` are those of the request message."""
        request = getattr(self.messages, f"{method}Request")(**fields)
        return getattr(self.stub, method).future(request, metadata=self.metadata(), timeout=timeout)

    def call(self, method, timeout=20, **fields):
        return self.future(method, fields, timeout).result()

    def code(self, method, **fields):
        """The refusal's code; "OK" when there is none."""
        try:
            self.call(method, **fields)
            return "OK"
        except grpc.RpcError as error:
            return error_code(error)


def new_id():
    """An id that nothing else has."""
    return secrets.token_hex(12)


def terms(owner="brandA", buyer="shopperA1", mediator="mediatorA", commission=0, margin=0, fee=0):
    """The fields that say who pays whom how much; people are seeded ones, or ids."""
    def person(name):
        return name if len(name) == 24 else seed_id(name)

    return {
        "brand_user_id": person(owner), "buyer_user_id": person(buyer), "mediator_user_id": person(mediator),
        "campaign_id": "c" * 24, "commission_paise": commission, "margin_paise": margin, "platform_fee_paise": fee}


def settlement(order, hold_seq=0, resolve=False, voided_tries=0, **parties):
    return {
        "order_id": order, "settlement_seq": 1, "hold_seq": hold_seq, "resolve": resolve,
        "voided_tries": voided_tries, **terms(**parties)}


def lock(order, hold_seq=1, **parties):
    return {"order_id": order, "hold_seq": hold_seq, **terms(**parties)}
