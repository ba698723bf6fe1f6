"""Nonsense and forbidden wishes answer with the right code and change nothing."""

import re

import pytest

from mobo_deployment import PASSWORD, http_get, seed_id
from mobo_flow import AUDIT, CAMPAIGN, IDENTITY, ORDER, WALLET, approved_order, order_body


def refused(answer, status, code):
    assert (answer[0], answer[2].get("code")) == (status, code), answer[2]
    assert answer[1]["Content-Type"] == "application/problem+json"
    assert answer[2]["requestId"] == answer[1]["x-request-id"]
    assert answer[2]["type"] == f"/problems/{code}" and answer[2]["status"] == status
    return answer[2]


@pytest.mark.parametrize("body, path", [
    (b'{"orderId":', None),
    (b"[]", None),
    (b'{"orderId": 7}', "orderId"),
    (b'{"orderId": "zz"}', "orderId"),
    (b'{"orderId": "65f0c0ffee65f0c0ffee65f0", "colour": "red"}', "colour"),
    (b'{"orderId": "65f0c0ffee65f0c0ffee65f0", "orderId": "65f0c0ffee65f0c0ffee65f0"}', "orderId"),
    (b'{"orderId": "\xff"}', None),
    (b"[" * 5000, None),
])
def test_malformed_bodies(deployment, people, body, path):
    problem = refused(deployment.post(f"{ORDER}/GetOrder", body, people.root), 400, "VALIDATION_FAILED")
    if path:
        assert problem["errors"][0]["path"] == path


@pytest.mark.parametrize("method, status, code", [
    ("mobo.order.v1.OrderService/Explode", 404, "ROUTE_NOT_FOUND"),
    ("mobo.order.v1.NoService/GetOrder", 404, "ROUTE_NOT_FOUND"),
    ("mobo.wallet.v1.WalletInternalService/SettleOrderFunds", 404, "ROUTE_NOT_FOUND"),
    ("", 404, "ROUTE_NOT_FOUND"),
])
def test_unknown_routes(deployment, people, method, status, code):
    refused(deployment.post(method, {}, people.root), status, code)


def test_wrong_media_type_and_method(deployment, people):
    answer = deployment.post(f"{ORDER}/GetOrder", b"x=1", people.root, headers={"Content-Type": "text/plain"})
    refused(answer, 415, "UNSUPPORTED_MEDIA_TYPE")
    assert http_get(f"http://127.0.0.1:{deployment.http_port}/{ORDER}/GetOrder")[0] == 405


def test_a_body_over_the_limit(deployment, people):
    refused(deployment.post(f"{ORDER}/GetOrder", b" " * (1 << 20) + b"{}", people.root), 413, "REQUEST_TOO_LARGE")


def test_tokens(deployment, people):
    refused(deployment.post(f"{WALLET}/GetWallet", {}), 401, "UNAUTHENTICATED")
    refused(deployment.post(f"{WALLET}/GetWallet", {}, "no.such.token"), 401, "INVALID_TOKEN")
    damaged = people.root[:-4] + ("AAAA" if people.root[-4:] != "AAAA" else "BBBB")
    refused(deployment.post(f"{WALLET}/GetWallet", {}, damaged), 401, "INVALID_TOKEN")


def test_logins(deployment):
    def login(**body):
        return deployment.post(f"{IDENTITY}/Login", {"password": PASSWORD, **body})

    refused(login(mobile="9000000004", password="Wrong_123!"), 401, "INVALID_CREDENTIALS")
    refused(login(mobile="9999999999"), 401, "INVALID_CREDENTIALS")
    refused(login(mobile="9000000000"), 400, "USERNAME_REQUIRED")
    refused(login(mobile="12"), 400, "VALIDATION_FAILED")
    refused(login(), 400, "VALIDATION_FAILED")
    assert login(mobile="+91 90000-00005")[0] == 200


def test_the_seventh_wrong_password_locks_the_account(deployment):
    body = {"mobile": "9000000023", "password": "Wrong_123!"}
    for _ in range(7):
        refused(deployment.post(f"{IDENTITY}/Login", body), 401, "INVALID_CREDENTIALS")
    right = {**body, "password": PASSWORD}
    refused(deployment.post(f"{IDENTITY}/Login", right), 429, "ACCOUNT_LOCKED")


def test_roles_and_scope(deployment, people):
    deposit = {"ownerUserId": seed_id("brandA"), "amountPaise": "1", "ref": "X"}
    refused(deployment.post(f"{WALLET}/Deposit", deposit, people.brand), 403, "FORBIDDEN")
    refused(deployment.post(f"{AUDIT}/ListAuditLogs", {}, people.shopper), 403, "FORBIDDEN")
    refused(deployment.post(f"{CAMPAIGN}/ListProducts", {}, people.brand), 403, "FORBIDDEN")
    other = {"ownerUserId": seed_id("brandA")}
    refused(deployment.post(f"{WALLET}/GetWallet", other, people.shopper), 403, "FORBIDDEN")
    unknown = {"ownerUserId": "65f0c0ffee65f0c0ffee65f0"}
    refused(deployment.post(f"{WALLET}/GetWallet", unknown, people.root), 404, "WALLET_NOT_FOUND")


def test_foreign_orders(deployment, people):
    order_id = approved_order(deployment, people, "FOREIGN-1", seed_id("D4"), 10_000)
    refused(deployment.post(f"{ORDER}/GetOrder", {"orderId": order_id}, people.shopper2), 403, "FORBIDDEN")
    stranger = deployment.login(mobile="9000000022")
    refused(deployment.post(f"{ORDER}/VerifyPurchase", {"orderId": order_id}, stranger), 403, "FORBIDDEN")
    settle = {"orderId": order_id}
    refused(deployment.post(f"{ORDER}/SettleOrder", settle, people.mediator), 403, "SETTLEMENT_MODE_FORBIDDEN")
    unknown = {"orderId": "65f0c0ffee65f0c0ffee65f0"}
    refused(deployment.post(f"{ORDER}/GetOrder", unknown, people.root), 404, "ORDER_NOT_FOUND")
    sold_out = order_body(seed_id("D4"), "FOREIGN-2", 10_000, shade=9)
    refused(deployment.post(f"{ORDER}/CreateOrder", sold_out, people.shopper2), 409, "SOLD_OUT")


def test_orders_that_may_not_be_created(deployment, people):
    create = f"{ORDER}/CreateOrder"
    good = order_body(seed_id("D1"), "BAD-1")
    token = people.shopper2
    refused(deployment.post(create, {**good, "quantity": 11}, token), 400, "VALIDATION_FAILED")
    refused(deployment.post(create, {**good, "externalOrderId": ""}, token), 400, "ORDER_ID_REQUIRED")
    refused(deployment.post(create, {**good, "purchaseProof": {"data": "PHN2Zz4="}}, token), 400, "INVALID_PROOF_IMAGE")
    without = {key: value for key, value in good.items() if key != "purchaseProof"}
    refused(deployment.post(create, without, token), 400, "ORDER_PROOF_REQUIRED")
    foreign_deal = {**good, "dealId": seed_id("D5")}
    refused(deployment.post(create, foreign_deal, token), 404, "DEAL_NOT_FOUND")
    unapproved = deployment.login(mobile="9000000006")
    refused(deployment.post(create, good, unapproved), 409, "BUYER_NOT_APPROVED")


def test_same_key_other_body_and_duplicate_claims(deployment, people):
    create = f"{ORDER}/CreateOrder"
    body = order_body(seed_id("D2"), "TWICE-1", 49_900)
    first = deployment.call(create, body, people.shopper2, "twice")
    again = deployment.call(create, body, people.shopper2, "twice")
    assert again["replayed"] is True and again["order"]["id"] == first["order"]["id"]
    other = {**body, "quantity": 2}
    refused(deployment.post(create, other, people.shopper2, "twice"), 409, "IDEMPOTENCY_MISMATCH")
    same_deal = order_body(seed_id("D2"), "TWICE-2", 49_900, shade=3)
    refused(deployment.post(create, same_deal, people.shopper2, "twice-2"), 409, "DUPLICATE_DEAL_ORDER")
    same_id = order_body(seed_id("D3"), " twice-1 ", 29_900, shade=4)
    refused(deployment.post(create, same_id, people.shopper, "twice-3"), 409, "DUPLICATE_EXTERNAL_ORDER_ID")
    refused(
        deployment.post(create, {**body, "requestId": "one"}, people.shopper2, "two"), 400, "VALIDATION_FAILED")
    refused(deployment.post(create, body, people.shopper2, "not a key!"), 400, "VALIDATION_FAILED")


def test_cooling_lasts_and_only_staff_may_override_it(deployment, people):
    order_id = approved_order(deployment, people, "COOL-1", seed_id("D1"), shopper=people.shopper2)
    refused(deployment.post(f"{ORDER}/SettleOrder", {"orderId": order_id}, people.root), 409, "COOLING_PERIOD_ACTIVE")
    agency = {"orderId": order_id, "overrideCooling": True}
    refused(deployment.post(f"{ORDER}/SettleOrder", agency, people.agency), 403, "FORBIDDEN")


def test_insufficient_funds_change_nothing(deployment, people):
    shopper = deployment.login(mobile="9000000024")
    mediator = deployment.login(mobile="9000000022")
    body = order_body(seed_id("D5"), "THIN-1", 50_000, shade=77)
    order_id = deployment.call(f"{ORDER}/CreateOrder", body, shopper, "thin")["order"]["id"]
    verified = deployment.call(f"{ORDER}/VerifyPurchase", {"orderId": order_id}, mediator, "thin-verify")
    assert verified["approved"] and verified["order"]["fundsHold"] == "FUNDS_HOLD_UNFUNDED"
    settle = {"orderId": order_id}
    refused(deployment.post(f"{ORDER}/SettleOrder", settle, people.root, "thin-settle"), 409, "INSUFFICIENT_FUNDS")
    order = deployment.call(f"{ORDER}/GetOrder", settle, people.root)["order"]
    assert order["workflowStatus"] == "WORKFLOW_STATUS_APPROVED"
    assert deployment.wallet(people.root, ownerUserId=seed_id("brandB"))["availablePaise"] == "10000"

    # The same key after the wallet was filled: a plain refusal is evaluated afresh.
    deployment.call(
        f"{WALLET}/Deposit", {"ownerUserId": seed_id("brandB"), "amountPaise": "10000", "ref": "FILL"},
        people.root, "fill")
    settled = deployment.call(f"{ORDER}/SettleOrder", settle, people.root, "thin-settle")
    assert settled["outcome"] == "SETTLEMENT_OUTCOME_SETTLED"
    assert deployment.wallet(people.root, ownerUserId=seed_id("brandB"))["availablePaise"] == "0"


@pytest.mark.parametrize("amount, code", [
    ("0", "INVALID_AMOUNT"), ("-5", "INVALID_AMOUNT"), ("1000000001", "AMOUNT_OUT_OF_RANGE"),
    ("9223372036854775807", "AMOUNT_OUT_OF_RANGE"), ("9223372036854775808", "VALIDATION_FAILED"),
    ("1.5", "VALIDATION_FAILED"), (1.5, "VALIDATION_FAILED"), (True, "VALIDATION_FAILED"),
])
def test_amounts(deployment, people, amount, code):
    body = {"ownerUserId": seed_id("brandA"), "amountPaise": amount, "ref": "AMOUNT"}
    refused(deployment.post(f"{WALLET}/Deposit", body, people.root), 400, code)


def test_deposits_only_for_business_owners(deployment, people):
    body = {"ownerUserId": seed_id("shopperA1"), "amountPaise": "1", "ref": "S"}
    refused(deployment.post(f"{WALLET}/Deposit", body, people.root), 409, "INVALID_BENEFICIARY")


def test_nothing_internal_leaks(deployment, people):
    for answer in (
        deployment.post(f"{IDENTITY}/Login", {"mobile": {"$ne": None}, "password": "x"}),
        deployment.post(f"{ORDER}/GetOrder", {"orderId": "$where"}, people.root),
        deployment.post(f"{AUDIT}/ListAuditLogs", {"cursor": "7b7d"}, people.root),
    ):
        assert 400 <= answer[0] < 500
        assert not re.search(r"mongo|bson|swift|libnghttp2|\.swift", str(answer[2]), re.IGNORECASE)
    # What the logs say is read by people too: no password, no token.
    for service in deployment.services.values():
        text = "\n".join(service.lines)
        assert PASSWORD not in text and people.root not in text and "Wrong_123!" not in text
