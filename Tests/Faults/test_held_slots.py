"""A slot that no order needs is given back, and no other."""

import datetime

import bson

from mobo_deployment import Deployment, await_true, seed_id
from mobo_flow import AUDIT, ORDER, People, order_body


def test_a_slot_of_an_order_that_nobody_knows_is_given_back(mongodb_uri):
    deployment = Deployment(mongodb_uri)
    try:
        deployment.start()
        people = People(deployment)
        created = deployment.call(
            f"{ORDER}/CreateOrder", order_body(seed_id("D1"), "HELD-1"), people.shopper, "create-1")
        live = bson.ObjectId(created["order"]["id"])
        slots = deployment.database("campaign").slot_reservations
        reservation = slots.find_one({"orderId": live})
        assert reservation["orderVersion"] >= 1

        # Both old enough; one belongs to an order that was lost, with the counters as if it had been real.
        made = reservation["createdAt"] - datetime.timedelta(minutes=11)
        slots.update_one({"orderId": live}, {"$set": {"createdAt": made}})
        lost = bson.ObjectId()
        slots.insert_one({**reservation, "_id": bson.ObjectId(), "orderId": lost, "createdAt": made})
        campaign = {"_id": reservation["campaignId"]}
        deployment.database("campaign").campaigns.update_one(campaign, {"$inc": {"usedSlots": 1, "version": 1}})
        deployment.database("campaign").assignments.update_many(
            {"campaignId": reservation["campaignId"]}, {"$inc": {"usedSlots": 1, "version": 1}})

        # Every start sweeps.
        deployment["order"].kill()
        deployment["order"].start()
        await_true(lambda: slots.find_one({"orderId": lost, "state": "released"}), "the slot to be given back")
        assert slots.find_one({"orderId": live})["state"] == "held"
        assert deployment.database("campaign").campaigns.find_one(campaign)["usedSlots"] == 1

        def entries():
            request = {"action": "CAMPAIGN_SLOT_RELEASED"}
            return deployment.call(f"{AUDIT}/ListAuditLogs", request, people.root)["items"]

        told = await_true(entries, "the audit entry of the release")
        assert [item["metadata"] for item in told] == [{"orderId": str(lost), "reason": "order_unknown"}]
        assert told[0]["actorUserId"] == "SYSTEM" and "ip" not in told[0]
    finally:
        deployment.close()
