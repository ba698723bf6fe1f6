"""Load on wallet, and a checker that knows only what was sent and what was answered.

The ledger is read from MongoDB and judged by the rules of double entry alone; nothing of the product is used.
"""

import collections
import dataclasses
import random
import threading

import grpc

from mobo_wallet import OPEN, error_code, lock, new_id, settlement

# What an honest wallet may refuse this load with.
REFUSALS = {
    "INSUFFICIENT_FUNDS", "INSUFFICIENT_FUNDS_FOR_REVERSAL", "BALANCE_LIMIT_EXCEEDED", "HOLD_CLOSED", "HOLD_NOT_FOUND"}


@dataclasses.dataclass
class Request:
    """One request, and every answer that it got."""

    method: str
    fields: dict
    # Commission, margin and fee of the order.
    parts: tuple
    answers: list = dataclasses.field(default_factory=list)  # a response, a code, or None for silence

    @property
    def posting(self):
        order = self.fields["order_id"]
        name = {
            "LockOrderFunds": "order-lock", "ReleaseOrderFunds": "order-release", "SettleOrderFunds": "order-settle",
            "UnsettleOrderFunds": "order-unsettle"}[self.method]
        # One settlement, and one hold before it, is all that an order of this load has.
        return f"{name}:{order}:1"

    @property
    def further_postings(self):
        """What is posted together with it: a reversal locks the owner's debit again."""
        return [f"order-lock:{self.fields['order_id']}:2"] if self.method == "UnsettleOrderFunds" else []

    @property
    def done(self):
        return [answer for answer in self.answers if not isinstance(answer, str) and answer is not None]

    @property
    def refused(self):
        return [answer for answer in self.answers if isinstance(answer, str)]

    def send(self, client, timeout=20):
        """Sends it once; returns whether the answer was definite."""
        try:
            self.answers.append(client.call(self.method, timeout, **self.fields))
        except grpc.RpcError as error:
            self.answers.append(None if error.code() in OPEN else error_code(error))
        return self.answers[-1] is not None


class Load:
    """Callers that take orders through approval and settlement, each at its own pace, at any replica."""

    OWNERS = ("brandA", "brandB")  # The second has little: it runs dry, and refusals come.

    def __init__(self, clients, seed, callers=8):
        self.requests = []
        self._clients = clients
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._answered = 0
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(f"{seed}/{number}"),), daemon=True)
            for number in range(callers)]
        for thread in self._threads:
            thread.start()

    def await_answers(self, count, timeout=120):
        """So many more definite answers."""
        with self._changed:
            wanted = self._answered + count
            assert self._changed.wait_for(lambda: self._answered >= wanted, timeout), \
                f"{self._answered} answers, waited {timeout} s for {wanted}"

    def finish(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        return self.requests

    def _run(self, choices):
        while not self._stopping.is_set():
            for request in self._order(choices):
                with self._changed:
                    self.requests.append(request)
                # Who hears nothing asks again at once, or leaves it to the end.
                for _ in range(choices.randint(1, 3)):
                    if request.send(choices.choice(self._clients)):
                        break
                with self._changed:
                    self._answered += request.answers[-1] is not None
                    self._changed.notify_all()
                # Nothing else is done with an order while its last outcome is open, or after a refused settlement.
                if not request.done and request.method != "LockOrderFunds" or request.answers[-1] is None:
                    break

    def _order(self, choices):
        """An order's requests, in order."""
        order = new_id()
        owner = choices.choice(self.OWNERS)
        most = 40 if owner == "brandA" else 400
        parts = choices.randint(0, most), choices.randint(0, most), choices.randint(1, 5)
        parties = {"owner": owner, **dict(zip(("commission", "margin", "fee"), parts))}
        held = choices.random() < 0.7
        if held:
            yield Request("LockOrderFunds", lock(order, **parties), parts)
            if choices.random() < 0.3:
                yield Request("ReleaseOrderFunds", {"order_id": order, "hold_seq": 1, "reason": "cancelled"}, parts)
                return
        yield Request("SettleOrderFunds", settlement(order, hold_seq=1 if held else 0, **parties), parts)
        if choices.random() < 0.4:
            yield Request("UnsettleOrderFunds", {"order_id": order, "settlement_seq": 1, "new_hold_seq": 2}, parts)


class Checker:
    """Compares what was answered with what the database holds."""

    def __init__(self, database, requests):
        self.requests = requests
        self.rows = collections.defaultdict(list)
        for row in database.transactions.find({}):
            self.rows[row["postingId"]].append(row)
        self.wallets = list(database.wallets.find({}))

    def contradictions(self, knows_all=True):
        """What is wrong; `knows_all` says that nobody else has posted anything."""
        return [*self._answers(), *self._postings(knows_all), *self.wrong_balances()]

    def _answers(self):
        """Acknowledged: there, once. Refused: absent. Unanswered: wholly there or wholly absent (see `_postings`)."""
        for request in self.requests:
            is_posted = request.posting in self.rows
            if request.done and not is_posted:
                yield f"{request.posting} was acknowledged and is not there"
            if request.refused and not request.done and is_posted and None not in request.answers:
                yield f"{request.posting} was refused ({request.refused}) and is there"
            if strange := set(request.refused) - REFUSALS:
                yield f"{request.posting} was refused as {strange}"
            if any((key in self.rows) != is_posted for key in request.further_postings):
                yield f"{request.posting} is there in part"
            if len(set(map(answer_text, request.done))) > 1:
                yield f"{request.posting} got several answers: {request.done}"

    def _postings(self, knows_all):
        """Whatever is there is whole, as it was asked for, and was asked for."""
        asked = {key: request for request in self.requests for key in (request.posting, *request.further_postings)}
        for key, rows in self.rows.items():
            if key.startswith("brand_deposit:"):
                continue
            if sorted(row["idempotencyKey"] for row in rows) != sorted(f"{key}#{n + 1}" for n in range(len(rows))):
                yield f"{key} has the legs {sorted(row['idempotencyKey'] for row in rows)}"
            if sum(signed(row) for row in rows if not row["memo"]) != 0:
                yield f"{key} is not balanced"
            if key not in asked:
                if not knows_all:
                    continue
                yield f"{key} is there, and nobody asked for it"
            elif trouble := self._differs(key, asked[key], rows):
                yield f"{key}: {trouble}"

    def _differs(self, key, request, rows):
        """What the posting moves instead of what it should; the legs of an order follow from its parts alone."""
        order = request.fields["order_id"]
        commission, margin, fee = request.parts
        debit = commission + margin + fee
        paid = [part for part in request.parts if part]
        promised = sorted(part for part in (commission, margin) if part)
        was_held = f"order-lock:{order}:1" in self.rows
        kind = key.partition(":")[0]
        expected = {
            "order-lock": ([("available", -debit), ("locked", debit)], promised),
            "order-release": ([("available", debit), ("locked", -debit)], [-part for part in promised]),
            "order-settle": (
                [("locked" if was_held else "available", -debit)] + [("available", part) for part in paid],
                [-part for part in promised] if was_held else []),
            "order-unsettle": ([("available", debit)] + [("available", -part) for part in paid], []),
        }[kind]
        moved = sorted((row["bucket"], signed(row)) for row in rows if not row["memo"])
        memo = sorted(signed(row) for row in rows if row["memo"])
        if (moved, memo) != (sorted(expected[0]), sorted(expected[1])):
            return f"{moved} {memo}, not {expected}"
        is_reversed = kind == "order-settle" and f"order-unsettle:{order}:1" in self.rows
        if any((row["status"] == "reversed") != is_reversed for row in rows):
            return f"the rows are {[row['status'] for row in rows]}"
        return None

    def wrong_balances(self):
        """Balances are sums of rows, versions have no gap, and all money came from outside."""
        sums = collections.Counter()
        versions = collections.defaultdict(set)
        external = 0
        for row in (row for rows in self.rows.values() for row in rows):
            if row["account"] == "external":
                external += signed(row)
                continue
            sums[row["walletId"], row["bucket"]] += signed(row)
            versions[row["walletId"]].add(row["walletVersionAfter"])
        inside = 0
        for wallet in self.wallets:
            for bucket in ("available", "locked", "pending"):
                balance = wallet[f"{bucket}Paise"]
                total = sums[wallet["_id"], bucket]
                if balance != total or balance < 0:
                    yield f"{bucket} of {wallet['ownerUserId']} is {balance}, its rows say {total}"
            inside += wallet["availablePaise"] + wallet["lockedPaise"]
            if versions[wallet["_id"]] != set(range(1, wallet["version"] + 1)):
                yield f"the versions of {wallet['ownerUserId']} have gaps"
        if inside != -external:
            yield f"{inside} inside, but {-external} entered"


def signed(row):
    return row["amountPaise"] if row["direction"] == "credit" else -row["amountPaise"]


def answer_text(answer):
    """The answer without what tells a repeat from the first."""
    copy = type(answer)()
    copy.CopyFrom(answer)
    copy.replayed = False
    return copy.SerializeToString(deterministic=True)


def repeat(requests, clients, callers=8):
    """Sends every request again that was done or left open, until the answer is definite.

    Returns what is wrong: an answer other than the first, or none.
    """
    problems = []
    todo = iter([request for request in requests if request.done or request.answers[-1] is None])
    lock_ = threading.Lock()

    def run(client):
        while True:
            with lock_:
                request = next(todo, None)
            if request is None:
                return
            was_done = bool(request.done)
            is_definite = any(request.send(client) for _ in range(5))
            last = request.answers[-1]
            if not is_definite:
                problems.append(f"{request.posting}: no answer, although all is well")
            elif was_done and (isinstance(last, str) or not last.replayed):
                problems.append(f"{request.posting} was done; its repeat got {last}")

    threads = [threading.Thread(target=run, args=(clients[n % len(clients)],)) for n in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return problems
