"""kill -9 of wallet and of mongod at random moments under load: no answer turns out to be false."""

import contextlib
import os
import random
import threading
import time

import pytest

from mobo_mongod import Mongod
from mobo_wallet import Wallets
from wallet_checker import Checker, Load, repeat

KILLS_LONG = int(os.environ.get("MOBO_KILLS", "200"))


@contextlib.contextmanager
def two_wallets():
    mongod = Mongod()
    try:
        wallets = Wallets(mongod.start().uri)
        try:
            yield mongod, wallets.start()
        finally:
            wallets.close()
    finally:
        mongod.close()


def kill_one(target, mongod, wallets):
    """Killed and started again; what was down meanwhile is back when this returns, or on its way."""
    if target == "mongod":
        mongod.kill()
        mongod.start()
    else:
        wallets.replicas[target].kill()
        wallets.replicas[target].start()


def series(kills, seed, per_check, report=lambda *_: None):
    """So many kills, checked after every `per_check` of them."""
    choices = random.Random(seed)
    # Each kind about equally often, in random order.
    targets = (["mongod", 0, "mongod", 1] * kills)[:kills]
    choices.shuffle(targets)
    with two_wallets() as (mongod, wallets):
        clients = [wallets.client(wallets.port(number)) for number in (0, 1)]
        sent = []
        for start in range(0, kills, per_check):
            load = Load(clients, f"{seed}/{start}")
            for number, target in enumerate(targets[start:start + per_check], start + 1):
                load.await_answers(choices.randint(20, 120))
                # Not right after an answer: any moment of a batch shall be hit.
                threading.Event().wait(choices.uniform(0, 0.02))
                kill_one(target, mongod, wallets)
                report(number, target, len(sent) + len(load.requests))
            load.await_answers(20)
            check(wallets, sent, load.finish(), clients)
        return sent


def check(wallets, sent, recent, clients):
    """Adds what was sent since the last check, and compares all of it with the books."""
    sent += recent
    problems = Checker(wallets.database, sent).contradictions()
    problems += repeat(recent, clients)
    problems += Checker(wallets.database, sent).contradictions()
    assert problems == [], "\n".join(problems[:20])


def summary(sent):
    silent = sum(None in request.answers for request in sent)
    refused = sum(bool(request.refused) for request in sent)
    return f"{len(sent)} requests, {sum(bool(r.done) for r in sent)} done, {refused} refused, {silent} met silence"


def test_six_kills_at_random_moments_falsify_no_answer():
    sent = series(6, seed=os.environ.get("MOBO_SEED", "everyday"), per_check=6)
    print(summary(sent))
    assert sum(bool(request.done) for request in sent) > 100


@pytest.mark.long
def test_two_hundred_kills_at_random_moments_falsify_no_answer():
    seed = os.environ.get("MOBO_SEED") or str(time.time_ns())
    print(f"\nMOBO_SEED={seed}")
    began = time.monotonic()

    def report(number, target, requests):
        if number % 10 == 0:
            print(f"{number} of {KILLS_LONG} kills, {requests} requests, {time.monotonic() - began:.0f} s", flush=True)

    sent = series(KILLS_LONG, seed, per_check=20, report=report)
    print(summary(sent))
