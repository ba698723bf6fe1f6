"""The whole deployment over mutual TLS: who is let in, who is not, and certificates that change while calls run."""

import pathlib
import signal
import ssl
import subprocess
import threading

import grpc
import pytest

from mobo_deployment import CERTIFICATES, Certificates, Deployment, await_true, run, seed_id
from mobo_flow import ORDER, People, approved_order, balances
from mobo_protos import load
from tls_client import Connection, connect, context, is_refused

ENSURE_WALLET = "/mobo.wallet.v1.WalletInternalService/EnsureWallet"
SYSTEM = (("mobo-actor", "SYSTEM"),)
SHOPPER = 1  # OWNER_KIND_SHOPPER


@pytest.fixture(scope="module")
def deployment(mongodb_uri):
    """Six processes that take new certificates when they are told to, and audit within a tenth of a second."""
    running = Deployment(mongodb_uri, {"TLS_RELOAD_INTERVAL_MS": "86400000"}, tls=True)
    running["audit"].environment["TLS_RELOAD_INTERVAL_MS"] = "100"
    try:
        yield running.start()
    finally:
        codes = running.close()
    assert set(codes.values()) == {0}, f"a process did not end cleanly: {codes}"


@pytest.fixture(scope="module")
def people(deployment):
    return People(deployment)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """Certificates with the right names by an authority that nobody trusts."""
    return Certificates(tmp_path_factory.mktemp("stranger"))


def own(deployment, caller="order", **options):
    files = deployment.certificates
    return context(
        files.path(caller, "ca.crt"), files.path(caller, "tls.crt"), files.path(caller, "tls.key"), **options)


def ensure_wallet(stub, metadata=SYSTEM):
    messages = load("mobo.wallet.v1.wallet_service_pb2")
    try:
        request = messages.EnsureWalletRequest(owner_user_id=seed_id("shopperA1"), owner_kind=SHOPPER)
        stub.EnsureWallet(request, metadata=metadata, timeout=20)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def test_the_main_flow_works_and_internal_calls_need_no_keys(deployment, people):
    order_id = approved_order(deployment, people, "tls-1", seed_id("D1"))
    settled = deployment.call(
        f"{ORDER}/SettleOrder", {"orderId": order_id, "overrideCooling": True}, people.root, "tls-settle")
    assert settled["outcome"] == "SETTLEMENT_OUTCOME_SETTLED"
    assert balances(deployment, people) == {
        "brand": (4_990_000, 0, 0), "shopper": (5_000, 0, 0), "mediator": (5_000, 0, 0)}
    items = lambda: deployment.call(
        "mobo.audit.v1.AuditService/ListAuditLogs", {"entityId": order_id}, people.root)["items"]
    await_true(lambda: "ORDER_SETTLED" in {item["action"] for item in items()}, "the audit entry", 10)


def test_the_certificate_says_who_calls_and_the_allow_list_who_may(deployment, people):
    def outcome(caller, metadata=SYSTEM):
        return ensure_wallet(deployment.stub("wallet", internal=True, caller=caller), metadata)

    assert outcome("operator") == outcome("order") == grpc.StatusCode.OK
    assert outcome("audit") == outcome("gateway") == grpc.StatusCode.PERMISSION_DENIED
    # Neither a key nor a name in metadata helps, and neither does somebody's token.
    assert outcome("audit", deployment.credentials("order")) == grpc.StatusCode.PERMISSION_DENIED
    token = (("authorization", f"Bearer {people.root}"),)
    assert outcome("gateway", token) == grpc.StatusCode.PERMISSION_DENIED


def test_nobody_gets_in_without_a_certificate_of_the_authority(deployment, stranger):
    port = deployment.grpc_ports["wallet"]
    assert not is_refused(port, own(deployment))
    authorities = deployment.certificates.path("order", "ca.crt")
    assert is_refused(port, context(authorities))
    assert is_refused(port, context(authorities, stranger.path("order", "tls.crt"), stranger.path("order", "tls.key")))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = load("mobo.wallet.v1.wallet_service_pb2_grpc").WalletInternalServiceStub(channel)
        assert ensure_wallet(stub, deployment.credentials("order")) == grpc.StatusCode.UNAVAILABLE
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(port, context(stranger.path("order", "ca.crt"), *(
            deployment.certificates.path("order", name) for name in ("tls.crt", "tls.key"))))


def test_an_expired_certificate_is_refused(deployment, tmp_path):
    authority = deployment.certificates.folder / "authority"
    key, request, certificate = (str(tmp_path / name) for name in ("key", "csr", "crt"))
    extensions = tmp_path / "extensions"
    extensions.write_text("extendedKeyUsage=clientAuth\nsubjectAltName=URI:spiffe://mobo/order\n")
    for command in (
            ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=order",
             "-keyout", key, "-out", request],
            ["x509", "-req", "-in", request, "-CA", str(authority / "ca.crt"), "-CAkey", str(authority / "ca.key"),
             "-days", "-1", "-set_serial", "1", "-extfile", str(extensions), "-out", certificate]):
        subprocess.run(["openssl", *command], check=True, capture_output=True)
    authorities = deployment.certificates.path("order", "ca.crt")
    assert is_refused(deployment.grpc_ports["wallet"], context(authorities, certificate, key))


@pytest.mark.parametrize("version, accepted", [
    (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)])
def test_tls_1_2_is_the_least(deployment, version, accepted):
    made = own(deployment, version=version)
    made.set_ciphers("ALL:@SECLEVEL=0")
    assert is_refused(deployment.grpc_ports["wallet"], made) is not accepted


@pytest.mark.parametrize("protocols", [(), ("http/1.1",), ("h2c",)])
def test_another_protocol_than_http2_is_refused(deployment, protocols):
    assert is_refused(deployment.grpc_ports["wallet"], own(deployment, protocols=protocols))
    assert not is_refused(deployment.grpc_ports["wallet"], own(deployment, protocols=(*protocols, "h2")))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_still_says_who_calls(deployment, version):
    port = deployment.grpc_ports["wallet"]
    message = load("mobo.wallet.v1.wallet_service_pb2").EnsureWalletRequest(
        owner_user_id=seed_id("shopperA1"), owner_kind=SHOPPER).SerializeToString()
    for caller, status in (("order", 0), ("audit", 7)):
        made = own(deployment, caller, version=version)
        first = Connection(port, made)
        assert first.call(ENSURE_WALLET, message, SYSTEM) == status
        again = Connection(port, made, session=first.socket.session)
        assert again.call(ENSURE_WALLET, message, SYSTEM) == status
        first.close()
        again.close()


def serial(deployment, service):
    connection = Connection(deployment.grpc_ports[service], own(deployment))
    try:
        return connection.serial()
    finally:
        connection.close()


class Calls:
    """Calls one method over one connection for as long as the block runs, and keeps what went wrong."""

    def __init__(self, stub):
        self.stub = stub
        self.failures = []
        self.count = 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while not self.stopped.is_set():
            status = ensure_wallet(self.stub)
            self.count += 1
            if status != grpc.StatusCode.OK:
                self.failures.append(status)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.thread.join()

    def await_more(self):
        begun = self.count
        await_true(lambda: self.count > begun + 5, "further calls")


def test_certificates_change_while_calls_run(deployment):
    wallet, files = deployment["wallet"], deployment.certificates
    before = serial(deployment, "wallet")
    old = Connection(deployment.grpc_ports["wallet"], own(deployment))
    with Calls(deployment.stub("wallet", internal=True, caller="order")) as calls:
        files.run("issue", "--service", "wallet", "--dns", "wallet.internal")
        assert serial(deployment, "wallet") == before, "nobody has told the process yet"
        wallet.process.send_signal(signal.SIGHUP)
        wallet.await_log("the certificates were replaced")
        renewed = serial(deployment, "wallet")
        assert renewed != before
        calls.await_more()

        pathlib.Path(files.path("wallet", "tls.crt")).write_text("half a certi")
        wallet.process.send_signal(signal.SIGHUP)
        line = wallet.await_log("the new certificates cannot be used; the old ones stay")
        assert line["level"] == "error" and "tls.crt" not in line.get("key", "")
        assert serial(deployment, "wallet") == renewed, "the last good one stays"
        calls.await_more()
    assert calls.failures == [] and calls.count > 10
    old.ping()
    assert old.serial() == before
    old.close()
    files.run("issue", "--service", "wallet")
    wallet.process.send_signal(signal.SIGHUP)
    await_true(lambda: serial(deployment, "wallet") not in (before, renewed), "the repaired certificate")


def test_a_process_looks_at_its_files_by_itself(deployment):
    before = serial(deployment, "audit")
    deployment.certificates.run("issue", "--service", "audit", "--dns", "audit.internal")
    await_true(lambda: serial(deployment, "audit") != before, "the new certificate of audit")


# Goal: an authority can be changed without a failed call. Method: the steps of the script's help, one after the other.
def test_the_authority_changes_without_a_failed_call(deployment, people):
    files = deployment.certificates

    def tell_all():
        for service in deployment.services.values():
            seen = sum("certificates were replaced" in line for line in service.lines)
            service.process.send_signal(signal.SIGHUP)
            await_true(
                lambda: sum("certificates were replaced" in line for line in service.lines) > seen or
                service.name == "audit", f"{service.name} to read its files")

    first = (files.folder / "order/ca.crt").read_text()
    with Calls(deployment.stub("wallet", internal=True, caller="order")) as calls:
        files.run("rotate")
        tell_all()
        files.run("issue")
        tell_all()
        files.run("forget")
        tell_all()
        calls.await_more()
    assert calls.failures == []
    assert first not in (files.folder / "order/ca.crt").read_text()
    assert ensure_wallet(deployment.stub("wallet", internal=True, caller="order")) == grpc.StatusCode.OK
    assert deployment.wallet(people.shopper)["id"]


def test_metrics_and_probes_work_beside_tls(deployment):
    status, body = deployment["order"].admin("/metrics")
    lines = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if not line.startswith("#"))
    assert status == 200 and float(lines["tls_certificate_expiry_seconds"]) > 80 * 86_400
    assert float(lines["tls_handshakes_total"]) > 0
    assert run("order", deployment["order"].environment, "probe", "--ready").returncode == 0
    assert run("gateway", deployment["gateway"].environment, "probe", "--live").returncode == 0


def test_a_certificate_that_does_not_fit_is_found_before_the_start(tmp_path):
    files = Certificates(tmp_path / "own")
    good = {"STATE_DIR": str(tmp_path), **files.environment("wallet")}
    assert run("wallet", good, "--check-config").returncode == 0
    for change, key in (
            ({"TLS_CERT_FILE": files.path("order", "tls.crt")}, "TLS_CERT_FILE"),
            ({"TLS_KEY_FILE": files.path("order", "tls.key")}, "TLS_KEY_FILE"),
            ({"TLS_CA_FILE": str(tmp_path / "none")}, "TLS_CA_FILE"),
            ({"TLS_CA_FILE": ""}, "TLS_CA_FILE"),
            ({"TLS_TRUST_DOMAIN": "elsewhere"}, "TLS_CERT_FILE")):
        result = run("wallet", {**good, **change}, "--check-config")
        assert result.returncode == 78 and key in result.stderr, change
        assert "PRIVATE" not in result.stderr
    pathlib.Path(files.path("wallet", "tls.key")).chmod(0o644)
    result = run("wallet", good, "--check-config")
    assert result.returncode == 78 and "TLS_KEY_FILE" in result.stderr


def test_production_starts_with_tls_and_not_without(mongodb_uri, tmp_path):
    deployment = Deployment(mongodb_uri, tls=True)
    environment = {
        name: value for name, value in deployment["audit"].environment.items() if name in (
            "PATH", "LD_LIBRARY_PATH", "GRPC_PORT", "ADMIN_PORT", "MONGODB_URI", "MONGODB_DBNAME", "IDENTITY_TARGET")}
    environment |= {"APP_ENV": "production", "STATE_DIR": str(tmp_path)}
    try:
        refused = run("audit", environment)
        assert refused.returncode == 78 and "TLS_CERT_FILE" in refused.stderr
        environment |= deployment.certificates.environment("audit")
        assert run("audit", environment, "migrate", "up").returncode == 0
        audit = deployment["audit"]
        audit.environment = environment
        audit.start()
        assert audit.stop() == 0
    finally:
        deployment.close()


def test_the_script_explains_itself_and_refuses_what_it_does_not_know(tmp_path):
    def outcome(*arguments):
        return subprocess.run([CERTIFICATES, *arguments], capture_output=True, text=True)

    assert "usage" in outcome("--help").stdout
    assert outcome("issue").returncode == outcome("melt", tmp_path).returncode == 64
    assert outcome("issue", tmp_path, "--days", "0").returncode == 64
    assert outcome("issue", tmp_path, "--service", "../x").returncode == 64
    assert outcome("forget", tmp_path).returncode == 66
    assert outcome("issue", tmp_path, "--service", "wallet", "--days", "40").returncode == 0
    key = tmp_path / "wallet/tls.key"
    assert key.stat().st_mode & 0o777 == (tmp_path / "authority/ca.key").stat().st_mode & 0o777 == 0o600
    before = key.read_text()
    assert "wallet: good" in outcome("issue", tmp_path, "--service", "wallet", "--days", "40").stdout
    assert key.read_text() == before
    renewed = outcome("issue", tmp_path, "--service", "wallet", "--days", "60", "--renew-before", "45").stdout
    assert "wallet: renewed" in renewed and key.read_text() != before
    assert outcome("rotate", tmp_path).returncode == 0
    assert outcome("rotate", tmp_path).returncode == outcome("forget", tmp_path).returncode == 65
