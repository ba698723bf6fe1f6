"""The writer of the books is stopped (SIGSTOP), another replica takes over, and the first wakes up (SIGCONT)."""

import signal

import grpc
import pytest

from mobo_deployment import await_true
from mobo_wallet import OPEN, Wallets, error_code, lock, new_id, settlement
from wallet_checker import Checker, Load, repeat

PRICE = 100


@pytest.fixture
def wallets(mongodb_uri):
    running = Wallets(mongodb_uri)
    try:
        yield running.start()
    finally:
        for replica in running.replicas:
            replica.process.send_signal(signal.SIGCONT)
        running.close()


def holder(wallets):
    """Which replica writes, by the fence document."""
    address = wallets.database.writer.find_one({"_id": "writer"})["holder"]
    addresses = [replica.environment["ADVERTISED_TARGET"] for replica in wallets.replicas]
    return addresses.index(address)


def insist(client, method, fields):
    """The answer, however often it takes until another replica has taken over."""

    def answer():
        try:
            return client.call(method, timeout=5, **fields)
        except grpc.RpcError as error:
            assert error.code() in OPEN, error
            return None

    return await_true(answer, f"{method} to be answered", 60)


def outcome(call):
    try:
        call.result()
        return "OK"
    except grpc.RpcError as error:
        return "open" if error.code() in OPEN else error_code(error)


def funded(client, paise):
    owner = new_id()
    client.call("EnsureWallet", owner_user_id=owner, owner_kind=client.types.OWNER_KIND_AGENCY)
    if paise:
        insist(client, "SettleOrderFunds", settlement(new_id(), owner="brandA", buyer=owner, commission=paise))
    return owner


def pause(wallets, seed):
    """One stop under load. What was sent to the sleeper rests on what it remembered; what happens meanwhile makes
    each of its old answers a false one."""
    old = holder(wallets)
    sleeper, waking = wallets.client(wallets.port(old)), wallets.client(wallets.port(1 - old))
    load = Load([wallets.client(wallets.port(number)) for number in (0, 1)], seed)
    poor, rich = funded(sleeper, 0), funded(sleeper, PRICE)
    held, free = new_id(), new_id()
    # The sleeper has just looked at all of it.
    too_dear = settlement(new_id(), owner=poor, commission=PRICE)
    assert sleeper.code("SettleOrderFunds", **too_dear) == "INSUFFICIENT_FUNDS"
    load.await_answers(50)

    process = wallets.replicas[old].process
    process.send_signal(signal.SIGSTOP)
    bought = settlement(new_id(), owner=poor, commission=PRICE)
    spent = settlement(new_id(), owner=rich, commission=PRICE)
    late_lock = lock(held, owner="brandA", commission=7)
    late_release = {"order_id": free, "hold_seq": 1, "reason": "cancelled"}
    asleep = {
        name: sleeper.future(method, fields, timeout=60) for name, method, fields in (
            ("bought", "SettleOrderFunds", bought), ("spent", "SettleOrderFunds", spent),
            ("lock", "LockOrderFunds", late_lock), ("release", "ReleaseOrderFunds", late_release))}
    try:
        insist(waking, "SettleOrderFunds", settlement(new_id(), owner="brandA", buyer=poor, commission=PRICE))
        insist(waking, "SettleOrderFunds", settlement(new_id(), owner=rich, commission=PRICE))
        insist(waking, "LockOrderFunds", lock(free, owner="brandA", commission=7))
        assert waking.code("ReleaseOrderFunds", order_id=held, hold_seq=1, reason="cancelled") == "HOLD_NOT_FOUND"
        assert holder(wallets) == 1 - old
    finally:
        process.send_signal(signal.SIGCONT)
    answers = {name: outcome(call) for name, call in asleep.items()}
    # Each either true after the take-over, or no answer.
    assert answers["bought"] in ("OK", "open"), answers
    assert answers["spent"] in ("INSUFFICIENT_FUNDS", "open"), answers
    assert answers["lock"] in ("HOLD_CLOSED", "open"), answers
    assert answers["release"] in ("OK", "open"), answers

    load.await_answers(50)
    sent = load.finish()
    # Whoever got no answer asks again, anywhere.
    assert insist(sleeper, "SettleOrderFunds", bought).posting_id
    assert sleeper.code("SettleOrderFunds", **spent) == "INSUFFICIENT_FUNDS"
    assert sleeper.code("LockOrderFunds", **late_lock) == "HOLD_CLOSED"
    assert insist(sleeper, "ReleaseOrderFunds", late_release).hold.amount_paise == 7
    problems = [*Checker(wallets.database, sent).contradictions(knows_all=False), *repeat(sent, [sleeper, waking])]
    assert problems == []
    return answers


def test_a_stopped_writer_that_wakes_up_commits_nothing_and_answers_nothing_old(wallets):
    print(pause(wallets, "everyday"))


@pytest.mark.long
def test_twenty_stopped_writers_that_wake_up_commit_nothing_and_answer_nothing_old(wallets):
    for number in range(20):
        print(f"stop {number + 1} of 20:", pause(wallets, number), flush=True)
