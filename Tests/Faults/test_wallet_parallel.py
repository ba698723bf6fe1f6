"""Many callers at once want the same money, or the same posting."""

import collections
import functools

import grpc
import pytest

from mobo_deployment import seed_id
from mobo_wallet import OPEN, Wallets, error_code, new_id, settlement
from wallet_checker import Checker, answer_text


@pytest.fixture(scope="module")
def wallets(mongodb_uri):
    running = Wallets(mongodb_uri)
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture(scope="module")
def clients(wallets):
    """Connections to both replicas, in turn."""
    return [wallets.client(wallets.port(number % 2)) for number in range(10)]


def all_at_once(starts):
    """Makes every call at the same time, and again with the same key while its outcome is open.

    `starts` are functions that begin a call; returns an answer or a code for each, in order.
    """
    results = [None] * len(starts)
    todo = range(len(starts))
    for _ in range(20):
        calls = [(number, starts[number]()) for number in todo]
        todo = []
        for number, call in calls:
            try:
                results[number] = call.result()
            except grpc.RpcError as error:
                results[number] = error_code(error)
                if error.code() in OPEN:
                    todo.append(number)
        if not todo:
            return results
    raise AssertionError(f"{len(todo)} calls had no definite answer: {collections.Counter(results[n] for n in todo)}")


def settlements_at_once(clients, fields):
    return all_at_once([
        functools.partial(clients[number % len(clients)].future, "SettleOrderFunds", one, timeout=30)
        for number, one in enumerate(fields)])


def counts(results):
    return collections.Counter(result if isinstance(result, str) else "OK" for result in results)


def funded(client, paise):
    owner = new_id()
    client.call("EnsureWallet", owner_user_id=owner, owner_kind=client.types.OWNER_KIND_AGENCY)
    client.call("SettleOrderFunds", **settlement(new_id(), owner="brandA", buyer=owner, commission=paise))
    return owner


@pytest.mark.parametrize("callers", [10, 100, 1_000])
def test_of_parallel_debits_exactly_those_succeed_that_can_be_funded(wallets, clients, callers):
    k = callers * 3 // 10
    owner = funded(clients[0], k * 7 + 6)
    results = settlements_at_once(
        clients, [settlement(new_id(), owner=owner, commission=4, margin=3) for _ in range(callers)])
    assert counts(results) == {"OK": k, "INSUFFICIENT_FUNDS": callers - k}
    wallet = wallets.database.wallets.find_one({"ownerUserId": as_object_id(owner)})
    assert (wallet["availablePaise"], wallet["version"]) == (6, k + 1)
    lowest = min(
        row["balanceAfterPaise"] for row in wallets.database.transactions.find({"ownerUserId": as_object_id(owner)}))
    assert lowest == 6
    assert list(Checker(wallets.database, []).wrong_balances()) == []


def test_simultaneous_calls_with_one_key_are_one_posting_and_one_answer(wallets, clients):
    owner = funded(clients[0], 1_000)
    for _ in range(10):
        order = new_id()
        results = settlements_at_once(clients, [settlement(order, owner=owner, commission=4, margin=3)] * 20)
        assert len({answer_text(result) for result in results}) == 1
        assert [result.replayed for result in results].count(False) == 1
        rows = list(wallets.database.transactions.find({"postingId": f"order-settle:{order}:1"}))
        assert len(rows) == 3


def test_a_twin_that_differs_is_refused_and_harms_nobody(wallets, clients):
    owner = funded(clients[0], 1_000)
    order = new_id()
    same = settlement(order, owner=owner, commission=4, margin=3)
    other = settlement(order, owner=owner, commission=3, margin=4)
    bystanders = [settlement(new_id(), owner=owner, commission=1) for _ in range(20)]
    results = settlements_at_once(clients, [*bystanders[:10], same, other, same, other, *bystanders[10:]])
    twins = results[10:14]
    assert all(not isinstance(result, str) for result in results[:10] + results[14:]), results
    # Whichever came first is the posting; the other kind is a mismatch.
    won = 0 if not isinstance(twins[0], str) else 1
    assert [twins[won].replayed, twins[won + 2].replayed].count(False) == 1
    assert [twins[1 - won], twins[3 - won]] == ["IDEMPOTENCY_MISMATCH"] * 2


def as_object_id(text):
    import bson

    return bson.ObjectId(text)
