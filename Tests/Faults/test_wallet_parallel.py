"""Many callers at once want the same money, or the same posting."""

import collections
import functools
import threading
import time

import grpc
import pytest

from mobo_deployment import PASSWORD, Deployment, seed_id
from mobo_protos import load
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


def all_at_once(starts, seconds=120):
    """Makes every call at the same time, and again with the same key while its outcome is open.

    `starts` are functions that begin a call; returns an answer or a code for each, in order. Whoever is told to wait
    before the next attempt does.
    """
    results = [None] * len(starts)
    todo = range(len(starts))
    deadline = time.monotonic() + seconds
    while True:
        calls = [(number, starts[number]()) for number in todo]
        todo = []
        pause = 0
        for number, call in calls:
            try:
                results[number] = call.result()
            except grpc.RpcError as error:
                results[number] = error_code(error)
                if error.code() in OPEN:
                    todo.append(number)
                    pause = max(pause, retry_seconds(error))
        if not todo:
            return results
        left = collections.Counter(results[number] for number in todo)
        assert time.monotonic() < deadline, f"no definite answer within {seconds} s: {left}"
        threading.Event().wait(pause)


def retry_seconds(error):
    """How long the server asks to wait (google.rpc.RetryInfo); zero if it does not say."""
    trailers = dict(error.trailing_metadata() or ())
    status = load("google.rpc.status_pb2").Status.FromString(trailers.get("grpc-status-details-bin", b""))
    retry = load("google.rpc.error_details_pb2").RetryInfo()
    return next((retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9 for one in status.details
                 if one.Unpack(retry)), 0)


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

class Payments:
    """Brand B pays agency B out of its wallet, over identity and wallet only."""

    def __init__(self, uri):
        self.deployment = Deployment(uri).start("identity", "wallet")
        identity = self.deployment.stub("identity")
        service = load("mobo.identity.v1.identity_service_pb2")
        self.tokens = {
            name: identity.Login(service.LoginRequest(password=PASSWORD, **who)).tokens.access_token
            for name, who in (("brand", {"mobile": "9000000023"}), ("root", {"username": "root"}))}
        self.stubs = [self.deployment.stub("wallet") for _ in range(10)]
        self.messages = load("mobo.wallet.v1.wallet_service_pb2")

    def metadata(self, name):
        return (("authorization", f"Bearer {self.tokens[name]}"),)

    def wallet(self):
        return self.stubs[0].GetWallet(self.messages.GetWalletRequest(), metadata=self.metadata("brand")).wallet

    def deposit(self, paise, ref):
        self.stubs[0].Deposit(
            self.messages.DepositRequest(owner_user_id=seed_id("brandB"), amount_paise=paise, ref=ref),
            metadata=self.metadata("root"))

    def pay(self, number, paise, ref):
        request = self.messages.PayAgencyRequest(
            request_id=f"pay-{ref}", agency_id=seed_id("agencyB"), amount_paise=paise, ref=ref)
        return self.stubs[number % len(self.stubs)].PayAgency.future(
            request, metadata=self.metadata("brand"), timeout=30)


@pytest.fixture(scope="module")
def payments(mongodb_uri):
    running = Payments(mongodb_uri)
    try:
        yield running
    finally:
        running.deployment.close()


@pytest.mark.parametrize("callers", [10, 100, 1_000])
def test_of_parallel_payments_to_an_agency_exactly_those_succeed_that_can_be_funded(payments, callers):
    k = callers * 3 // 10
    before = payments.wallet()
    price = before.available_paise // k + 1
    payments.deposit(k * price + price - 1 - before.available_paise, f"for {callers}")
    results = all_at_once([
        functools.partial(payments.pay, number, price, f"{callers}-{number}") for number in range(callers)])
    assert counts(results) == {"OK": k, "INSUFFICIENT_FUNDS": callers - k}
    after = payments.wallet()
    assert (after.available_paise, after.version) == (price - 1, before.version + 1 + k)
    rows = payments.deployment.database("wallet").transactions
    assert rows.count_documents({"balanceAfterPaise": {"$lt": 0}}) == 0
    assert list(Checker(payments.deployment.database("wallet"), []).wrong_balances()) == []


def test_simultaneous_payments_under_one_reference_are_one(payments):
    payments.deposit(100, "for twins")
    results = all_at_once([functools.partial(payments.pay, number, 5, "twin") for number in range(20)])
    assert len({answer_text(result) for result in results}) == 1
    assert [result.replayed for result in results].count(False) == 1
    mismatches = all_at_once([functools.partial(payments.pay, number, 6, "twin") for number in range(5)])
    assert counts(mismatches) == {"IDEMPOTENCY_MISMATCH": 5}
