"""A shopper's order becomes money in wallets, through the gateway's JSON."""

import pytest

from mobo_deployment import await_true, http_get, seed_id
from mobo_flow import AUDIT, CAMPAIGN, GATEWAY, IDENTITY, ORDER, WALLET, balances, order_body


def test_the_worked_example_from_order_to_settled_wallets(deployment, people):
    assert balances(deployment, people) == {
        "brand": (5_000_000, 0, 0), "shopper": (0, 0, 0), "mediator": (0, 0, 0)}

    products = deployment.call(f"{CAMPAIGN}/ListProducts", {}, people.shopper)["items"]
    deal = next(item for item in products if item["id"] == seed_id("D1"))
    assert deal["commissionPaise"] == "5000" and deal["remainingSlots"] == "100"
    assert deal["dealType"] == "DEAL_TYPE_DISCOUNT"

    created = deployment.call(
        f"{ORDER}/CreateOrder", order_body(deal["id"], "flow-1"), people.shopper, "flow-create")["order"]
    assert created["workflowStatus"] == "WORKFLOW_STATUS_UNDER_REVIEW"
    assert created["externalOrderId"] == "FLOW-1"
    assert created["commissionPaise"] == "5000"
    assert "payoutPaise" not in created and "marginPaise" not in created, "a shopper must not see the payout"

    verified = deployment.call(
        f"{ORDER}/VerifyPurchase", {"orderId": created["id"]}, people.mediator, "flow-verify")
    assert verified["approved"] is True and verified["missingProofs"] == []
    assert verified["order"]["fundsHold"] == "FUNDS_HOLD_HELD"
    assert balances(deployment, people) == {
        "brand": (4_990_000, 10_000, 0), "shopper": (0, 0, 5_000), "mediator": (0, 0, 5_000)}

    settle = {"orderId": created["id"], "overrideCooling": True}
    settled = deployment.call(f"{ORDER}/SettleOrder", settle, people.root, "flow-settle")
    assert settled["outcome"] == "SETTLEMENT_OUTCOME_SETTLED"
    assert settled["replayed"] is False
    assert settled["order"]["workflowStatus"] == "WORKFLOW_STATUS_COMPLETED"
    assert settled["order"]["settlement"]["seq"] == 1
    after = {"brand": (4_990_000, 0, 0), "shopper": (5_000, 0, 0), "mediator": (5_000, 0, 0)}
    assert balances(deployment, people) == after

    again = deployment.call(f"{ORDER}/SettleOrder", settle, people.root, "flow-settle")
    assert again["replayed"] is True and again["outcome"] == settled["outcome"]
    assert balances(deployment, people) == after

    rows = deployment.call(
        f"{WALLET}/ListTransactions", {"orderId": created["id"], "includeTotal": True}, people.root)
    moved = [(row["type"], row["direction"], row["bucket"], row["amountPaise"]) for row in rows["items"]]
    assert ("TRANSACTION_TYPE_ORDER_SETTLEMENT_DEBIT", "DIRECTION_DEBIT", "BUCKET_LOCKED", "10000") in moved
    assert moved.count(("TRANSACTION_TYPE_COMMISSION_SETTLE", "DIRECTION_CREDIT", "BUCKET_AVAILABLE", "5000")) == 2
    assert int(rows["total"]) == len(rows["items"]) == 5, "two rows of the hold, three of the settlement"

    mine = deployment.call(f"{WALLET}/ListTransactions", {}, people.shopper)["items"]
    assert [row["amountPaise"] for row in mine] == ["5000"], "a shopper sees the rows of the own wallet only"


def test_the_audit_log_tells_the_story_once(deployment, people):
    expected = {"ORDER_CREATED", "PROOF_SUBMITTED", "ORDER_VERIFIED", "ORDER_SETTLED"}

    def story():
        items = deployment.call(f"{AUDIT}/ListAuditLogs", {"entityType": "Order"}, people.root)["items"]
        return items if expected <= {item["action"] for item in items} else None

    items = await_true(story, "the audit entries of the order", 10)
    settled = [item for item in items if item["action"] == "ORDER_SETTLED"]
    assert len(settled) == 1 and settled[0]["service"] == "order"
    assert settled[0]["metadata"]["mode"] == "wallet" and settled[0]["metadata"]["outcome"] == "settled"
    assert len({item["eventId"] for item in items}) == len(items)
    assert settled[0]["ip"] == "127.0.0.1" and settled[0]["userAgent"]


def test_the_client_of_a_call_is_known_to_the_services_behind_it(deployment, people):
    def debits():
        request = {"entityType": "Wallet", "action": "WALLET_DEBIT"}
        return deployment.call(f"{AUDIT}/ListAuditLogs", request, people.root)["items"]

    items = await_true(debits, "the audit entry of the money that was settled", 10)
    assert all(item["ip"] == "127.0.0.1" and item["userAgent"] for item in items), items


def test_get_me_adds_the_wallet_except_for_staff(deployment, people):
    me = deployment.call(f"{GATEWAY}/GetMe", {}, people.shopper)
    assert me["user"]["mobile"] == "9000000004" and me["user"]["role"] == "ROLE_SHOPPER"
    assert me["wallet"]["ownerUserId"] == seed_id("shopperA1")
    staff = deployment.call(f"{GATEWAY}/GetMe", {}, people.root)
    assert "wallet" not in staff and set(staff["user"]["roles"]) == {"ROLE_ADMIN", "ROLE_OPS"}
    own = deployment.call(f"{IDENTITY}/GetMe", {}, people.brand)
    assert own["brand"]["brandCode"] == "BRD_TEST"
    assert [connection["agencyCode"] for connection in own["connections"]] == ["AGY_TEST"]


def test_a_deposit_is_replayed_by_key_and_by_reference(deployment, people):
    body = {"ownerUserId": seed_id("brandB"), "amountPaise": "700", "ref": "TOP-UP-1"}
    first = deployment.call(f"{WALLET}/Deposit", body, people.root, "deposit-1")
    assert first["replayed"] is False and first["wallet"]["availablePaise"] == "10700"
    again = deployment.call(f"{WALLET}/Deposit", body, people.root, "deposit-1")
    assert again["replayed"] is True and again["transaction"]["id"] == first["transaction"]["id"]
    other_key = deployment.call(f"{WALLET}/Deposit", body, people.root, "deposit-2")
    assert other_key["replayed"] is True and other_key["wallet"]["availablePaise"] == "10700"
    status, _, problem = deployment.post(
        f"{WALLET}/Deposit", {**body, "amountPaise": "701"}, people.root, "deposit-3")
    assert (status, problem["code"]) == (409, "IDEMPOTENCY_MISMATCH")


def test_a_brand_sees_its_order_without_the_buyer(deployment, people):
    rows = deployment.call(f"{WALLET}/ListTransactions", {"type": "order_settlement_debit"}, people.brand)["items"]
    order_id = rows[0]["orderId"]
    order = deployment.call(f"{ORDER}/GetOrder", {"orderId": order_id}, people.brand)["order"]
    assert "buyerName" not in order and "buyerMobile" not in order and "userId" not in order
    assert order["payoutPaise"] == "10000" and "marginPaise" not in order
    assert order["proofs"]["order"] == {"present": True}


@pytest.mark.parametrize("path, status", [("/live", 200), ("/ready", 200), ("/health", 200)])
def test_the_gateway_answers_health_checks(deployment, path, status):
    assert http_get(f"http://127.0.0.1:{deployment.http_port}{path}")[0] == status
