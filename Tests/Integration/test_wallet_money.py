"""Payouts, payments to agencies, reversals and the check of the books, on six real processes."""

import base64
import csv
import io
import json
import os
import pathlib
import subprocess

import grpc
import pytest

from mobo_deployment import await_true, seed_id
from mobo_flow import AUDIT, ORDER, WALLET, approved_order, balances
from mobo_protos import load


def refusal(answer):
    status, _, problem = answer
    return status, problem["code"]


def reconcile(deployment, *options):
    """The operator's command, as it finds the stack."""
    environment = {
        "PATH": os.environ["PATH"], "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
        "WALLET_TARGET": f"127.0.0.1:{deployment.grpc_ports['wallet']}",
        "SERVICE_KEYS_FILE": f"{deployment.folder}/service-keys.json"}
    mobo = pathlib.Path(os.environ["MOBO_BIN_DIR"]) / "mobo"
    return subprocess.run(
        [mobo, "reconcile", "--configuration", deployment.folder, *options], env=environment, capture_output=True, text=True, timeout=60)


def deposit(deployment, people, key, paise, ref):
    deployment.call(
        f"{WALLET}/Deposit", {"ownerUserId": seed_id(key), "amountPaise": str(paise), "ref": ref}, people.root, ref)


def test_a_payout_from_request_to_the_bank(deployment, people):
    deposit(deployment, people, "mediatorA", 5_000, "income-1")
    asked = {"amountPaise": "1000"}
    requested = deployment.call(f"{WALLET}/RequestPayout", asked, people.mediator, "payout-1")
    payout = requested["payout"]
    assert payout["status"] == "PAYOUT_STATUS_REQUESTED" and payout["destination"] == {"upiId": "mediatora@upi"}
    assert (requested["wallet"]["availablePaise"], requested["wallet"]["lockedPaise"]) == ("4000", "1000")
    again = deployment.call(f"{WALLET}/RequestPayout", asked, people.mediator, "payout-1")
    assert again["replayed"] is True and again["payout"]["id"] == payout["id"]

    start = {"payoutId": payout["id"], "provider": "bank"}
    assert refusal(deployment.post(f"{WALLET}/StartPayout", start, people.mediator)) == (403, "FORBIDDEN")
    started = deployment.call(f"{WALLET}/StartPayout", start, people.root, "payout-1-start")["payout"]
    assert started["status"] == "PAYOUT_STATUS_PROCESSING"
    cancel = {"payoutId": payout["id"]}
    assert refusal(deployment.post(f"{WALLET}/CancelPayout", cancel, people.mediator)) == (
        409, "PAYOUT_STATE_MISMATCH")

    done = {**start, "providerRef": "UTR-77"}
    paid = deployment.call(f"{WALLET}/CompletePayout", done, people.root, "callback-1")
    assert paid["payout"]["status"] == "PAYOUT_STATUS_PAID" and paid["replayed"] is False
    assert deployment.call(f"{WALLET}/CompletePayout", done, people.root, "callback-2")["replayed"] is True
    failed = {"payoutId": payout["id"], "failureCode": "LATE", "failureMessage": "too late"}
    assert refusal(deployment.post(f"{WALLET}/FailPayout", failed, people.root)) == (409, "PAYOUT_STATE_MISMATCH")
    wallet = deployment.wallet(people.mediator)
    assert (wallet["availablePaise"], wallet["lockedPaise"]) == ("4000", "0")

    rows = deployment.call(f"{WALLET}/ListTransactions", {"payoutId": payout["id"]}, people.root)["items"]
    assert sorted(row["type"] for row in rows) == sorted(
        2 * ["TRANSACTION_TYPE_PAYOUT_REQUEST"] + 2 * ["TRANSACTION_TYPE_PAYOUT_COMPLETE"])

    def story():
        request = {"entityType": "Payout", "entityId": payout["id"]}
        items = deployment.call(f"{AUDIT}/ListAuditLogs", request, people.root)["items"]
        return len(items) >= 3 and items

    items = await_true(story, "the audit entries of the payout", 10)
    assert [item["action"] for item in items] == ["PAYOUT_PROCESSED", "PAYOUT_STARTED", "PAYOUT_REQUESTED"]
    assert items[0]["metadata"]["amountPaise"] == "1000" and items[0]["metadata"]["providerRef"] == "UTR-77"


def test_payouts_need_kyc_a_destination_and_a_role(deployment, people):
    asked = {"amountPaise": "1000"}
    second = deployment.login(mobile="9000000012")
    assert refusal(deployment.post(f"{WALLET}/RequestPayout", asked, second)) == (409, "KYC_REQUIRED")
    assert refusal(deployment.post(f"{WALLET}/RequestPayout", asked, people.shopper2)) == (
        409, "PAYOUT_DESTINATION_MISSING")
    assert refusal(deployment.post(f"{WALLET}/RequestPayout", asked, people.brand)) == (403, "FORBIDDEN")
    assert refusal(deployment.post(f"{WALLET}/RequestPayout", asked, people.shopper)) == (409, "INSUFFICIENT_FUNDS")
    for amount, code in [("0", "INVALID_AMOUNT"), ("-5", "INVALID_AMOUNT"), ("99", "AMOUNT_OUT_OF_RANGE"),
                         (str(2**63 - 1), "AMOUNT_OUT_OF_RANGE"), (str(2**63), "VALIDATION_FAILED")]:
        answer = deployment.post(f"{WALLET}/RequestPayout", {"amountPaise": amount}, people.shopper)
        assert refusal(answer) == (400, code)


def test_an_agency_records_what_it_pays_its_mediators(deployment, people):
    record = {"mediatorId": seed_id("mediatorA"), "amountPaise": "700", "ref": "CASH-1"}
    payout = deployment.call(f"{WALLET}/RecordAgencyPayout", record, people.agency, "cash-1")["payout"]
    assert payout["status"] == "PAYOUT_STATUS_RECORDED" and payout["provider"] == f"agency:{seed_id('agencyA')}"
    assert deployment.call(f"{WALLET}/RecordAgencyPayout", record, people.agency, "cash-2")["replayed"] is True
    other = {**record, "amountPaise": "701"}
    assert refusal(deployment.post(f"{WALLET}/RecordAgencyPayout", other, people.agency)) == (
        409, "DUPLICATE_PROVIDER_REF")
    foreign = {**record, "mediatorId": seed_id("mediatorB"), "ref": "CASH-2"}
    assert refusal(deployment.post(f"{WALLET}/RecordAgencyPayout", foreign, people.agency)) == (403, "FORBIDDEN")
    shopper = {**record, "mediatorId": seed_id("shopperA1"), "ref": "CASH-3"}
    assert refusal(deployment.post(f"{WALLET}/RecordAgencyPayout", shopper, people.agency)) == (
        409, "INVALID_BENEFICIARY")

    for token in (people.agency, people.mediator, people.root):
        listed = deployment.call(f"{WALLET}/ListPayouts", {"status": "recorded"}, token)["items"]
        assert [item["id"] for item in listed] == [payout["id"]]
    delete = {"payoutId": payout["id"]}
    assert refusal(deployment.post(f"{WALLET}/DeletePayout", delete, people.mediator)) == (403, "FORBIDDEN")
    deployment.call(f"{WALLET}/DeletePayout", delete, people.agency, "forget-1")
    assert refusal(deployment.post(f"{WALLET}/DeletePayout", delete, people.agency)) == (404, "PAYOUT_NOT_FOUND")


def test_a_brand_pays_its_agency(deployment, people):
    before = int(deployment.wallet(people.brand)["availablePaise"])
    pay = {"agencyId": seed_id("agencyA"), "amountPaise": "25000", "ref": "UTR-1"}
    paid = deployment.call(f"{WALLET}/PayAgency", pay, people.brand, "pay-1")
    assert int(paid["wallet"]["availablePaise"]) == before - 25_000
    assert paid["transaction"]["type"] == "TRANSACTION_TYPE_AGENCY_PAYOUT"
    assert deployment.call(f"{WALLET}/PayAgency", pay, people.brand, "pay-2")["replayed"] is True
    manual = {**pay, "mode": "manual"}
    assert refusal(deployment.post(f"{WALLET}/PayAgency", manual, people.brand)) == (409, "IDEMPOTENCY_MISMATCH")
    record = deployment.call(f"{WALLET}/PayAgency", {**manual, "ref": "CASH"}, people.brand, "pay-3")
    assert int(record["wallet"]["availablePaise"]) == before - 25_000 and record["transaction"]["memo"] is True

    stranger = {**pay, "agencyId": seed_id("agencyB"), "ref": "X"}
    assert refusal(deployment.post(f"{WALLET}/PayAgency", stranger, people.brand)) == (403, "FORBIDDEN")
    nobody = {**pay, "agencyId": seed_id("mediatorA"), "ref": "X"}
    assert refusal(deployment.post(f"{WALLET}/PayAgency", nobody, people.brand)) == (404, "AGENCY_NOT_FOUND")
    assert refusal(deployment.post(f"{WALLET}/PayAgency", pay, people.agency)) == (403, "FORBIDDEN")

    ledger = deployment.call(f"{WALLET}/ListBrandLedger", {"includeTotal": True}, people.brand)
    assert [(item["ref"], item["mode"]) for item in ledger["items"]] == [
        ("CASH", "PAYMENT_MODE_MANUAL"), ("UTR-1", "PAYMENT_MODE_WALLET")]
    assert ledger["items"][0]["agencyCode"] == "AGY_TEST" and ledger["total"] == "2"

    answer = deployment.call(f"{WALLET}/ExportLedger", {"brandLedger": True}, people.brand)
    text = base64.b64decode(answer["content"]).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0][6] == "Amount (INR)" and {row[9] for row in rows[1:]} == {"CASH", "UTR-1"}
    assert {row[6] for row in rows[1:]} == {"250.00"} and text.count("\r\n") == 3


# Goal: the example of DOMAIN 7.8 to its end, with the messages that order sends.
def test_a_settlement_is_taken_back_and_made_again(deployment, people):
    messages = load("mobo.wallet.v1.wallet_service_pb2")
    stub = deployment.stub("wallet", internal=True)
    metadata = deployment.credentials("order")
    start = balances(deployment, people)
    parties = {
        "brand_user_id": seed_id("brandA"), "buyer_user_id": seed_id("shopperA1"),
        "mediator_user_id": seed_id("mediatorA"), "campaign_id": seed_id("C1"), "commission_paise": 5_000,
        "margin_paise": 5_000, "platform_fee_paise": 250}
    order = seed_id("a reversed order")
    stub.LockOrderFunds(messages.LockOrderFundsRequest(order_id=order, hold_seq=1, **parties), metadata=metadata)
    settle = messages.SettleOrderFundsRequest(order_id=order, settlement_seq=1, hold_seq=1, **parties)
    stub.SettleOrderFunds(settle, metadata=metadata)

    def moved():
        now = balances(deployment, people)
        return {name: tuple(b - a for a, b in zip(start[name], now[name])) for name in now}

    settled = {"brand": (-10_250, 0, 0), "shopper": (5_000, 0, 0), "mediator": (5_000, 0, 0)}
    held = {"brand": (-10_250, 10_250, 0), "shopper": (0, 0, 5_000), "mediator": (0, 0, 5_000)}
    assert moved() == settled
    reversal = messages.UnsettleOrderFundsRequest(order_id=order, settlement_seq=1, new_hold_seq=2)
    answer = stub.UnsettleOrderFunds(reversal, metadata=metadata)
    assert answer.posting_id == f"order-unsettle:{order}:1" and answer.hold.seq == 2 and not answer.replayed
    assert moved() == held
    assert stub.UnsettleOrderFunds(reversal, metadata=metadata).replayed and moved() == held
    stub.SettleOrderFunds(
        messages.SettleOrderFundsRequest(order_id=order, settlement_seq=2, hold_seq=2, **parties), metadata=metadata)
    assert moved() == settled

    # Whoever has spent it cannot give it back.
    available = int(deployment.wallet(people.shopper)["availablePaise"])
    deployment.call(
        f"{WALLET}/RecordManualPayout",
        {"beneficiaryUserId": seed_id("shopperA1"), "amountPaise": str(available), "providerRef": "ALL"},
        people.root, "all")
    with pytest.raises(grpc.RpcError) as caught:
        stub.UnsettleOrderFunds(
            messages.UnsettleOrderFundsRequest(order_id=order, settlement_seq=2, new_hold_seq=3), metadata=metadata)
    trailers = dict(caught.value.trailing_metadata())
    assert trailers["mobo-error-code"] == "INSUFFICIENT_FUNDS_FOR_REVERSAL"
    details = load("google.rpc.error_details_pb2")
    info = details.ErrorInfo()
    status = load("google.rpc.status_pb2").Status.FromString(trailers["grpc-status-details-bin"])
    assert any(detail.Unpack(info) for detail in status.details)
    assert info.metadata["party"] == "shopper" and info.metadata["ownerUserId"] == seed_id("shopperA1")
    with pytest.raises(grpc.RpcError) as caught:
        stub.UnsettleOrderFunds(reversal, metadata=deployment.credentials("campaign"))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


def test_wallets_are_deleted_empty_by_the_administrator(deployment, people):
    owner = {"ownerUserId": seed_id("shopperB")}
    assert refusal(deployment.post(f"{WALLET}/DeleteWallet", owner, people.root)) == (400, "CONFIRMATION_REQUIRED")
    sure = {**owner, "confirm": True}
    ops = deployment.login(username="opsdesk")
    assert refusal(deployment.post(f"{WALLET}/DeleteWallet", sure, ops)) == (403, "FORBIDDEN")
    full = {"ownerUserId": seed_id("brandA"), "confirm": True}
    assert refusal(deployment.post(f"{WALLET}/DeleteWallet", full, people.root)) == (409, "WALLET_NOT_EMPTY")
    deployment.call(f"{WALLET}/DeleteWallet", sure, people.root, "close-1")
    assert deployment.call(f"{WALLET}/DeleteWallet", sure, people.root, "close-1")["replayed"] is True
    assert refusal(deployment.post(f"{WALLET}/GetWallet", owner, people.root)) == (404, "WALLET_NOT_FOUND")


def test_events_leave_with_the_change_and_name_their_audience(deployment, people):
    messages = [
        (message["topic"], message["payload"])
        for document in deployment.database("wallet")["outbox"].find() for message in document["messages"]]
    users = {str(user) for topic, payload in messages if topic == "wallets.changed"
             for user in payload["audience"]["userIds"]}
    assert {seed_id("brandA"), seed_id("mediatorA"), seed_id("agencyA")} <= users
    paid = [payload for topic, payload in messages if topic == "payouts.changed"
            and payload["payload"]["status"] == "paid"]
    assert paid and paid[0]["audience"] == {"userIds": [seed_id("mediatorA")], "agencyCodes": ["AGY_TEST"]}

    def delivered():
        outbox = deployment.database("wallet")["outbox"]
        return outbox.count_documents({"dispatched": False}) == 0

    await_true(delivered, "every message to be delivered", 10)
    assert deployment.database("wallet")["outbox"].count_documents({"parkedReason": {"$exists": True}}) == 0


def test_the_books_are_clean_after_the_main_flow(deployment, people):
    order_id = approved_order(deployment, people, "RECONCILE-1", seed_id("D1"))
    deployment.call(f"{ORDER}/SettleOrder", {"orderId": order_id, "overrideCooling": True}, people.root, "reconcile-1")
    report = deployment.call(f"{WALLET}/Reconcile", {}, people.root)["report"]
    assert report["clean"] is True and report["findings"] == []
    assert int(report["transactions"]) > 20 and int(report["payouts"]) >= 2
    assert refusal(deployment.post(f"{WALLET}/Reconcile", {}, people.brand)) == (403, "FORBIDDEN")
    stats = deployment.call(f"{WALLET}/GetWalletStats", {}, people.root)
    assert {item["ownerKind"] for item in stats["wallets"]} >= {"OWNER_KIND_BRAND", "OWNER_KIND_SHOPPER"}

    command = reconcile(deployment)
    assert command.returncode == 0, command.stderr
    assert "The books are clean." in command.stdout
    parsed = json.loads(reconcile(deployment, "--json").stdout)
    assert parsed["clean"] is True and int(parsed["transactions"]) >= int(report["transactions"])

    wallets = deployment.database("wallet")["wallets"]
    wallets.update_one({"ownerKind": "agency", "deletedAt": None}, {"$inc": {"availablePaise": 1}})
    broken = reconcile(deployment, "--json")
    found = json.loads(broken.stdout)
    assert broken.returncode == 1 and {item["invariant"] for item in found["findings"]} == {2, 3, 9}
    assert all("walletId" in item for item in found["findings"] if item["invariant"] != 3)


def test_an_operator_without_a_key_is_told_so(deployment):
    broken = subprocess.run(
        [pathlib.Path(os.environ["MOBO_BIN_DIR"]) / "mobo", "reconcile", "--configuration", deployment.folder],
        env={"PATH": os.environ["PATH"], "WALLET_TARGET": f"127.0.0.1:{deployment.grpc_ports['wallet']}",
             "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")},
        capture_output=True, text=True, timeout=60)
    assert broken.returncode == 70 and "FORBIDDEN" in broken.stderr
