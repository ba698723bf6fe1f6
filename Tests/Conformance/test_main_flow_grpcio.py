"""The main flow by stock grpcio clients against the services' own ports, and the borders between services."""

import grpc
import pytest

from mobo_deployment import PASSWORD, await_true, seed_id
from mobo_flow import png
from mobo_protos import load


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


def login(deployment, **who):
    messages = load("mobo.identity.v1.identity_service_pb2")
    answer = deployment.stub("identity").Login(messages.LoginRequest(password=PASSWORD, **who))
    assert answer.tokens.token_type == "Bearer"
    return answer.tokens.access_token


def refusal(call):
    """Status, product code and google.rpc details of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    trailers = dict(error.trailing_metadata())
    status = load("google.rpc.status_pb2").Status.FromString(trailers.get("grpc-status-details-bin", b""))
    return error.code(), trailers.get("mobo-error-code"), status


def test_the_main_flow(deployment):
    orders = load("mobo.order.v1.order_service_pb2")
    order_types = load("mobo.order.v1.order_pb2")
    wallets = load("mobo.wallet.v1.wallet_service_pb2")
    campaigns = load("mobo.campaign.v1.campaign_service_pb2")
    audits = load("mobo.audit.v1.audit_service_pb2")
    types = load("mobo.common.v1.types_pb2")
    shopper, mediator = login(deployment, mobile="9000000004"), login(deployment, mobile="9000000002")
    brand, root = login(deployment, mobile="9000000003"), login(deployment, username="root")

    products = deployment.stub("campaign").ListProducts(
        campaigns.ListProductsRequest(include_total=True), metadata=bearer(shopper))
    assert products.total == len(products.items) == 4
    deal = next(item for item in products.items if item.id == seed_id("D1"))

    created = deployment.stub("order").CreateOrder(
        orders.CreateOrderRequest(
            request_id="grpc-create", deal_id=deal.id, external_order_id="GRPC-1", quantity=1,
            unit_price_paise=deal.price_paise, purchase_proof=types.Image(data=png())),
        metadata=bearer(shopper)).order
    assert created.workflow_status == order_types.WORKFLOW_STATUS_UNDER_REVIEW

    verified = deployment.stub("order").VerifyAll(
        orders.VerifyAllRequest(request_id="grpc-verify", order_id=created.id), metadata=bearer(mediator))
    assert verified.approved

    settled = deployment.stub("order").SettleOrder(
        orders.SettleOrderRequest(request_id="grpc-settle", order_id=created.id, override_cooling=True),
        metadata=bearer(root))
    assert settled.outcome == order_types.SETTLEMENT_OUTCOME_SETTLED

    def available(token):
        return deployment.stub("wallet").GetWallet(
            wallets.GetWalletRequest(), metadata=bearer(token)).wallet.available_paise

    assert (available(brand), available(shopper), available(mediator)) == (4_990_000, 5_000, 5_000)

    rows = deployment.stub("wallet").ListTransactions(
        wallets.ListTransactionsRequest(order_id=created.id), metadata=bearer(root)).items
    settlement = [row for row in rows if row.posting_id == f"order-settle:{created.id}:1"]
    debit = sum(row.amount_paise for row in settlement if row.type == 7)
    credit = sum(row.amount_paise for row in settlement if row.type in (2, 4))
    assert debit == credit == 10_000

    def audited():
        items = deployment.stub("audit").ListAuditLogs(
            audits.ListAuditLogsRequest(entity_id=created.id), metadata=bearer(root)).items
        return "ORDER_SETTLED" in {item.action for item in items}

    await_true(audited, "the audit entry of the settlement", 10)


def test_rich_errors_reach_stock_clients(deployment):
    wallets = load("mobo.wallet.v1.wallet_service_pb2")
    details = load("google.rpc.error_details_pb2")
    root = login(deployment, username="root")
    code, reason, status = refusal(lambda: deployment.stub("wallet").Deposit(
        wallets.DepositRequest(owner_user_id="nonsense", amount_paise=1), metadata=bearer(root)))
    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "VALIDATION_FAILED")
    bad_request, info = details.BadRequest(), details.ErrorInfo()
    assert any(detail.Unpack(bad_request) for detail in status.details)
    assert any(detail.Unpack(info) for detail in status.details)
    assert [violation.field for violation in bad_request.field_violations] == ["ownerUserId", "ref"]
    assert (info.reason, info.domain) == ("VALIDATION_FAILED", "mobo")


def test_internal_methods_want_a_service_that_may_call_them(deployment):
    wallets = load("mobo.wallet.v1.wallet_service_pb2")
    types = load("mobo.common.v1.types_pb2")
    stub = deployment.stub("wallet", internal=True)
    ensure = wallets.EnsureWalletRequest(
        owner_user_id=seed_id("shopperA2"), owner_kind=types.OWNER_KIND_SHOPPER)
    root = login(deployment, username="root")
    assert refusal(lambda: stub.EnsureWallet(ensure, metadata=bearer(root)))[:2] == (
        grpc.StatusCode.PERMISSION_DENIED, "FORBIDDEN")
    assert refusal(lambda: stub.EnsureWallet(ensure, metadata=deployment.credentials("audit")))[1] == "FORBIDDEN"
    wrong = (("mobo-service", "order"), ("mobo-service-key", "0" * 64))
    assert refusal(lambda: stub.EnsureWallet(ensure, metadata=wrong))[0] in (
        grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
    first = stub.EnsureWallet(ensure, metadata=deployment.credentials("order")).wallet
    again = stub.EnsureWallet(ensure, metadata=deployment.credentials("order")).wallet
    assert first.id == again.id and first.owner_user_id == seed_id("shopperA2")


def test_holds_are_numbered_and_late_ones_lock_nothing(deployment):
    wallets = load("mobo.wallet.v1.wallet_service_pb2")
    stub = deployment.stub("wallet", internal=True)
    metadata = deployment.credentials("order")
    parties = {
        "order_id": seed_id("order-of-this-test"), "brand_user_id": seed_id("brandA"),
        "buyer_user_id": seed_id("shopperA2"), "mediator_user_id": seed_id("mediatorA"),
        "campaign_id": seed_id("C1"), "commission_paise": 700, "margin_paise": 300, "platform_fee_paise": 0}
    lock = wallets.LockOrderFundsRequest(hold_seq=1, **parties)
    release = wallets.ReleaseOrderFundsRequest(order_id=parties["order_id"], hold_seq=1, reason="test")
    assert refusal(lambda: stub.ReleaseOrderFunds(release, metadata=metadata))[1] == "HOLD_NOT_FOUND"
    assert refusal(lambda: stub.LockOrderFunds(lock, metadata=metadata))[1] == "HOLD_CLOSED"
    second = wallets.LockOrderFundsRequest(hold_seq=2, **parties)
    held = stub.LockOrderFunds(second, metadata=metadata)
    assert (held.hold.amount_paise, held.replayed) == (1_000, False)
    assert stub.LockOrderFunds(second, metadata=metadata).replayed
    other = wallets.LockOrderFundsRequest(hold_seq=2, **{**parties, "commission_paise": 701})
    assert refusal(lambda: stub.LockOrderFunds(other, metadata=metadata))[1] == "IDEMPOTENCY_MISMATCH"
    release.hold_seq = 2
    stub.ReleaseOrderFunds(release, metadata=metadata)


def test_unknown_methods_and_bytes_that_are_no_message(deployment):
    root = bearer(login(deployment, username="root"))
    with deployment.channel("order") as channel:
        unknown = channel.unary_unary("/mobo.order.v1.OrderService/Nothing")
        assert refusal(lambda: unknown(b""))[0] == grpc.StatusCode.UNIMPLEMENTED
        get_order = channel.unary_unary("/mobo.order.v1.OrderService/GetOrder")
        for garbage in (b"\xff\xff\xff", b"\x0a\x05abc", b"\x0a\x02\xff\xfe"):
            assert refusal(lambda: get_order(garbage, metadata=root))[0] == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("service", ["identity", "campaign", "order", "wallet", "audit", "gateway"])
def test_every_process_answers_the_health_protocol(deployment, service):
    messages, stubs = load("grpc.health.v1.health_pb2"), load("grpc.health.v1.health_pb2_grpc")
    with deployment.channel(service) as channel:
        answer = stubs.HealthStub(channel).Check(messages.HealthCheckRequest())
        assert answer.status == messages.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            stubs.HealthStub(channel).Check(messages.HealthCheckRequest(service="no.such.Service"))
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND
