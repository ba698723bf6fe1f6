"""Requests that arrive too late change nothing: held up on the way, by real processes and connections."""

import concurrent.futures
import contextlib

import grpc
import pytest

from mobo_deployment import seed_id
from mobo_proxy import Proxy
from mobo_wallet import Wallets, error_code, lock, new_id, settlement, terms


@pytest.fixture(scope="module")
def wallets(mongodb_uri):
    running = Wallets(mongodb_uri, replicas=1)
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture
def client(wallets):
    return wallets.client(wallets.port(0))


@contextlib.contextmanager
def held_up(wallets, method, fields):
    """A request that is on its way until the block ends; yields a function that lets it arrive and gives its code."""
    proxy = Proxy(wallets.port(0))
    try:
        slow = wallets.client(proxy.port)
        # The connection is up before anything is held: what is late is the request alone.
        slow.call("EnsureWallet", owner_user_id=seed_id("shopperA1"), owner_kind=slow.types.OWNER_KIND_SHOPPER)
        proxy.hold()
        call = slow.future(method, fields, timeout=60)
        proxy.await_held()

        def arrive():
            proxy.let_go()
            try:
                call.result()
                return "OK"
            except grpc.RpcError as error:
                return error_code(error)

        yield arrive
    finally:
        proxy.close()


def balances(wallets, *people):
    found = []
    for person in people:
        wallet = wallets.database.wallets.find_one({"ownerUserId": as_object_id(person), "deletedAt": None})
        found.append((wallet["availablePaise"], wallet["lockedPaise"], wallet["pendingPaise"]))
    return found


def as_object_id(person):
    import bson

    return bson.ObjectId(person if len(person) == 24 else seed_id(person))


PARTIES = {"owner": "brandA", "commission": 500, "margin": 300, "fee": 20}


def test_a_hold_that_arrives_after_its_release_locks_nothing(wallets, client):
    order = new_id()
    before = balances(wallets, "brandA", "shopperA1", "mediatorA")
    with held_up(wallets, "LockOrderFunds", lock(order, **PARTIES)) as arrive:
        release = {"order_id": order, "hold_seq": 1, "reason": "cancelled"}
        assert client.code("ReleaseOrderFunds", **release) == "HOLD_NOT_FOUND"
        assert arrive() == "HOLD_CLOSED"
        assert client.code("ReleaseOrderFunds", **release) == "HOLD_NOT_FOUND"
    assert balances(wallets, "brandA", "shopperA1", "mediatorA") == before


def test_a_hold_that_arrives_after_its_settlement_locks_nothing(wallets, client):
    order = new_id()
    (owner, *_), (shopper, *_), (mediator, *_) = balances(wallets, "brandA", "shopperA1", "mediatorA")
    with held_up(wallets, "LockOrderFunds", lock(order, **PARTIES)) as arrive:
        assert client.code("SettleOrderFunds", **settlement(order, hold_seq=1, **PARTIES)) == "OK"
        assert arrive() == "HOLD_CLOSED"
    assert balances(wallets, "brandA", "shopperA1", "mediatorA") == [
        (owner - 820, 0, 0), (shopper + 500, 0, 0), (mediator + 300, 0, 0)]


def test_a_delayed_first_settlement_posts_nothing_after_a_stored_refusal(wallets, client):
    order, poor = new_id(), new_id()
    client.call("EnsureWallet", owner_user_id=poor, owner_kind=client.types.OWNER_KIND_AGENCY)
    parties = {**PARTIES, "owner": poor}
    with held_up(wallets, "SettleOrderFunds", settlement(order, **parties)) as arrive:
        # The caller has waited long enough and tries again, which it says.
        assert client.code("SettleOrderFunds", **settlement(order, resolve=True, **parties)) == "INSUFFICIENT_FUNDS"
        # Meanwhile there is money: without the stored refusal the first attempt would be paid out of it.
        fund(client, poor, 820)
        assert arrive() == "INSUFFICIENT_FUNDS"
        assert balances(wallets, poor) == [(820, 0, 0)]
        assert client.code("SettleOrderFunds", **settlement(order, **parties)) == "INSUFFICIENT_FUNDS"
        answer = client.call("SettleOrderFunds", **settlement(order, voided_tries=1, **parties))
    assert answer.posting_id == f"order-settle:{order}:1~1" and not answer.replayed
    assert balances(wallets, poor) == [(0, 0, 0)]


def fund(client, owner, paise):
    """Money for an owner, by way of an order of the seeded brand."""
    client.call("SettleOrderFunds", **settlement(new_id(), owner="brandA", buyer=owner, commission=paise))
