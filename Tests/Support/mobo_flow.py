"""Steps of the main flow that many tests take, through the gateway."""

import base64
import struct
import zlib

IDENTITY = "mobo.identity.v1.IdentityService"
CAMPAIGN = "mobo.campaign.v1.CampaignService"
ORDER = "mobo.order.v1.OrderService"
WALLET = "mobo.wallet.v1.WalletService"
AUDIT = "mobo.audit.v1.AuditService"
GATEWAY = "mobo.gateway.v1.GatewayService"


def png(shade=255):
    """A valid 1 x 1 PNG; another shade is another picture."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    pixel = bytes([0, shade, shade, shade])
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixel)) + chunk(b"IEND", b"")


class People:
    """Access tokens of the seeded accounts."""

    def __init__(self, deployment):
        self.shopper = deployment.login(mobile="9000000004")
        self.shopper2 = deployment.login(mobile="9000000005")
        self.mediator = deployment.login(mobile="9000000002")
        self.brand = deployment.login(mobile="9000000003")
        self.agency = deployment.login(mobile="9000000001")
        self.root = deployment.login(username="root")


def order_body(deal_id, external_id, price=99_900, shade=255):
    return {
        "dealId": deal_id, "externalOrderId": external_id, "quantity": 1, "unitPricePaise": str(price),
        "purchaseProof": {"data": base64.b64encode(png(shade)).decode(), "contentType": "image/png"},
    }


def approved_order(deployment, people, external_id, deal_id, price=99_900, shopper=None):
    """An order that waits for settlement."""
    created = deployment.call(
        f"{ORDER}/CreateOrder", order_body(deal_id, external_id, price), shopper or people.shopper,
        f"create-{external_id}")
    order_id = created["order"]["id"]
    deployment.call(f"{ORDER}/VerifyPurchase", {"orderId": order_id}, people.mediator, f"verify-{external_id}")
    return order_id


def balances(deployment, people):
    """Available and locked paise of owner, shopper and mediator."""
    found = {}
    for name in ("brand", "shopper", "mediator"):
        wallet = deployment.wallet(getattr(people, name))
        found[name] = (int(wallet["availablePaise"]), int(wallet["lockedPaise"]), int(wallet["pendingPaise"]))
    return found
