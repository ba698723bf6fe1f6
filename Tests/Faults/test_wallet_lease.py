"""Two replicas of wallet and one lease: whoever is called, one of them writes; when it dies, stands still or ends, the
other takes over, and nobody is told anything false."""

import contextlib
import signal

import bson
import grpc
import pytest

from mobo_deployment import Certificates, await_true, seed_id
from mobo_wallet import OPEN, Client, Wallets, error_code, new_id, settlement

# More than a lease and a look at it, less than what callers of wallet wait.
PATIENCE = 15
FUNDS = 5_000_000


@contextlib.contextmanager
def replicas(uri, **options):
    running = Wallets(uri, **options)
    try:
        yield running.start()
    finally:
        for replica in running.replicas:
            if replica.process and replica.process.poll() is None:
                replica.process.send_signal(signal.SIGCONT)
        codes = running.close()
    assert set(codes) <= {0, -9}, f"a replica did not end cleanly: {codes}"


@pytest.fixture
def wallets(mongodb_uri):
    with replicas(mongodb_uri) as running:
        yield running


@pytest.fixture
def proxied_wallets(mongodb_uri):
    with replicas(mongodb_uri, behind_proxies=True) as running:
        yield running


def holder(wallets):
    """The index of the replica that holds the lease."""
    def index():
        writer = wallets.database.writer.find_one({"_id": "writer"}) or {}
        return wallets.targets.index(writer["holder"]) + 1 if writer.get("holder") in wallets.targets else 0

    return await_true(index, "a replica to take the lease", PATIENCE) - 1


def token(wallets):
    return wallets.database.writer.find_one({"_id": "writer"})["token"]


def available(wallets, owner):
    return wallets.database.wallets.find_one({"ownerUserId": bson.ObjectId(seed_id(owner))})["availablePaise"]


def rows(wallets, order):
    return wallets.database.transactions.count_documents({"postingId": f"order-settle:{order}:1"})


def settled(wallets, client, order, commission=1, timeout=PATIENCE):
    return client.call("SettleOrderFunds", timeout=timeout, **settlement(order, commission=commission))


def test_a_write_is_applied_whichever_replica_is_called(wallets):
    first = holder(wallets)
    before = available(wallets, "brandA")
    clients = [wallets.client(wallets.port(number)) for number in range(2)]
    orders = [new_id() for _ in range(20)]
    for number, order in enumerate(orders):
        assert not settled(wallets, clients[number % 2], order).replayed
    for number, order in enumerate(orders):
        assert settled(wallets, clients[(number + 1) % 2], order).replayed
    assert before - available(wallets, "brandA") == len(orders)
    assert holder(wallets) == first
    refused = [client.code("SettleOrderFunds", **settlement(new_id(), commission=FUNDS * 2)) for client in clients]
    assert refused == ["INSUFFICIENT_FUNDS"] * 2


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_another_replica_takes_over_from_one_that_ends(wallets, end):
    first = holder(wallets)
    client = wallets.client(wallets.port(1 - first))
    settled(wallets, client, new_id())
    before = token(wallets)
    wallets.replicas[first].signal(end)
    order = new_id()
    assert not settled(wallets, client, order).replayed
    assert holder(wallets) == 1 - first and token(wallets) > before
    assert rows(wallets, order) == 2


def lost_at(wallets, holder):
    """A call that has left the other replica and does not reach the holder; and the order that it is for."""
    client = wallets.client(wallets.port(1 - holder))
    settled(wallets, client, new_id())
    wallets.proxies[holder].hold()
    order = new_id()
    asked = client.future("SettleOrderFunds", settlement(order, commission=1), timeout=PATIENCE)
    wallets.proxies[holder].await_held(more_than=len(order))
    return asked, order


def test_a_call_that_the_holder_took_with_it_is_decided_by_the_next_one(proxied_wallets):
    """Whoever handed it on cannot know whether it was applied, until the lease has changed hands."""
    first = holder(proxied_wallets)
    asked, order = lost_at(proxied_wallets, first)
    proxied_wallets.replicas[first].kill()
    assert not asked.result().replayed
    assert holder(proxied_wallets) == 1 - first and rows(proxied_wallets, order) == 2


def test_a_call_that_was_lost_on_its_way_to_a_holder_is_its_callers_to_repeat(proxied_wallets):
    """The holder is as well as ever: it may have the call, and not have come to it yet."""
    first = holder(proxied_wallets)
    asked, order = lost_at(proxied_wallets, first)
    proxied_wallets.proxies[first].cut()
    proxied_wallets.proxies[first].restore()
    proxied_wallets.proxies[first].let_go()
    with pytest.raises(grpc.RpcError) as refusal:
        asked.result()
    assert error_code(refusal.value) == "SERVICE_UNAVAILABLE"
    assert b"RetryInfo" in dict(refusal.value.trailing_metadata())["grpc-status-details-bin"]
    assert rows(proxied_wallets, order) == 0 and holder(proxied_wallets) == first
    again = proxied_wallets.client(proxied_wallets.port(1 - first))
    assert not settled(proxied_wallets, again, order).replayed
    assert rows(proxied_wallets, order) == 2


def test_a_holder_that_stood_still_answers_nobody_from_its_memory(wallets):
    """Refusals above all: what it remembers has become wrong while it slept."""
    first = holder(wallets)
    sleeper, awake = (wallets.client(wallets.port(number)) for number in (first, 1 - first))
    # It remembers that brandB has 10 000.
    poor = settlement(new_id(), owner="brandB", commission=10_001)
    assert sleeper.code("SettleOrderFunds", **poor) == "INSUFFICIENT_FUNDS"
    before = token(wallets)
    process = wallets.replicas[first].process
    process.send_signal(signal.SIGSTOP)
    asked = sleeper.future("SettleOrderFunds", poor, timeout=60)
    handed_on = awake.future("SettleOrderFunds", settlement(new_id(), commission=1), timeout=60)
    assert handed_on.result() is not None
    assert holder(wallets) == 1 - first and token(wallets) > before
    # Money comes in through the other one: from brandA, so that brandB can pay.
    awake.call("SettleOrderFunds", timeout=PATIENCE, **settlement(new_id(), buyer="brandB", commission=5_000))
    process.send_signal(signal.SIGCONT)
    try:
        asked.result()
        outcome = "OK"
    except grpc.RpcError as error:
        outcome = "open" if error.code() in OPEN else error_code(error)
    assert outcome in ("OK", "open")
    if outcome == "OK":
        assert rows(wallets, poor["order_id"]) == 2
    assert sleeper.call("SettleOrderFunds", timeout=PATIENCE, **poor) is not None
    assert rows(wallets, poor["order_id"]) == 2


def test_calls_wait_for_a_holder_inside_their_deadline(wallets):
    """The holder is somebody who cannot be reached, until its lease has run out."""
    first = holder(wallets)
    wallets.replicas[first].kill()
    client = wallets.client(wallets.port(1 - first))
    calls = [client.future("SettleOrderFunds", settlement(new_id(), commission=1), timeout=60) for _ in range(50)]
    assert all(call.result() is not None for call in calls)
    assert holder(wallets) == 1 - first


def test_a_call_that_was_handed_on_is_not_handed_on_again(wallets):
    follower = 1 - holder(wallets)
    client = wallets.client(wallets.port(follower))
    request = client.messages.SettleOrderFundsRequest(**settlement(new_id(), commission=1))
    metadata = (*client.metadata("wallet"), ("mobo-handed-on", "1"), ("mobo-handed-on-for", "order"))
    with pytest.raises(grpc.RpcError) as refusal:
        client.stub.SettleOrderFunds(request, metadata=metadata, timeout=PATIENCE)
    assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE
    assert b"RetryInfo" in dict(refusal.value.trailing_metadata())["grpc-status-details-bin"]


@pytest.mark.parametrize("caller, named", [("operator", "order"), ("wallet", "operator"), ("wallet", "nobody")])
def test_nobody_gains_a_right_by_naming_somebody_else(wallets, caller, named):
    client = wallets.client(wallets.port(holder(wallets)))
    request = client.messages.SettleOrderFundsRequest(**settlement(new_id(), commission=1))
    metadata = (*client.metadata(caller), ("mobo-handed-on", "1"), ("mobo-handed-on-for", named))
    with pytest.raises(grpc.RpcError) as refusal:
        client.stub.SettleOrderFunds(request, metadata=metadata, timeout=PATIENCE)
    assert refusal.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_calls_are_handed_on_between_replicas_with_certificates(mongodb_uri, tmp_path):
    certificates = Certificates(tmp_path / "certificates")
    with replicas(mongodb_uri, extra=certificates.environment("wallet")) as wallets:
        follower = 1 - holder(wallets)
        port = wallets.port(follower)
        with certificates.channel("wallet", "order", port) as channel:
            client = Client(channel, wallets.keys)
            order = new_id()
            assert not settled(wallets, client, order).replayed
            assert rows(wallets, order) == 2
        with certificates.channel("wallet", "campaign", port) as channel:
            client = Client(channel, wallets.keys)
            assert client.code("SettleOrderFunds", **settlement(new_id(), commission=1)) == "FORBIDDEN"
