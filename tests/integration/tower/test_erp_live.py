"""Business systems by the API: what the relay is asked, and what arrives through the live feed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx

from bridge.model.production import MaterialActual, WorkRequest, event_id
from bridge.store import connector_condition, outbox, reconciliation, relay_question
from bridge.store.connector_condition import Told
from bridge.store.reconciliation import Difference, OrderLedger
from tests.plant_seed import LOGIN
from tests.relay_process import post

ORDER = "WH/MO/00017"
NOW = datetime.now(UTC)


async def ok(answer: httpx.Response, status: int = 200) -> dict:
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_question_is_asked_of_the_relay_and_its_answer_read(client, connection, event):
    asked = await ok(await client.post(f"/api/v1/erp/events/{event}/dry-run", json={}), 202)
    assert (asked["kind"], asked["outbox_id"], asked["asked_by"], asked["answered_at"]) == (
        "dry_run",
        event,
        LOGIN,
        None,
    )
    taken = await relay_question.take(connection, "erp")
    assert taken is not None
    await relay_question.answer(connection, taken.id, {"has_it_as": None, "steps": []})
    answer = await ok(await client.get(f"/api/v1/erp/questions/{asked['id']}"))
    assert answer["answered_at"] is not None
    assert answer["answer"] == {"has_it_as": None, "steps": []}


async def test_questions_that_nobody_answers_are_refused_when_too_many_wait(client):
    for _ in range(20):
        await ok(await client.post("/api/v1/erp/connectors/erp/compare", json={}), 202)
    answer = await client.post("/api/v1/erp/connectors/erp/compare", json={})
    assert answer.status_code == 429
    assert "see whether its relay runs" in answer.json()["detail"]


async def test_newest_comparison_is_shown_with_what_a_person_might_do(client, connection):
    nothing = await ok(await client.get("/api/v1/erp/connectors/erp/comparison"))
    assert (nothing["at"], nothing["lines"]) == (None, [])
    ledger = OrderLedger(ORDER, Decimal(9), Decimal(0), Decimal(9), Decimal(0), Decimal(0))
    await reconciliation.keep(
        connection, "erp", NOW, 3, [Difference(ledger, Decimal(11), "look for a posting by hand")], "relay"
    )
    answer = await ok(await client.get("/api/v1/erp/connectors/erp/comparison"))
    assert (answer["orders"], answer["differences"], answer["actor"]) == (3, 1, "relay")
    [line] = answer["lines"]
    assert (line["order_number"], line["posted"], line["erp"]) == (ORDER, "9", "11")
    assert line["proposal"] == "look for a posting by hand"


# --- live ------------------------------------------------------------------------------------------------------------------------


async def test_dead_letter_and_counts_arrive_through_the_feed(tower, connection):
    async with tower.feed() as feed:
        snapshot = await feed.next("snapshot")
        assert snapshot["erp"]["attention"] == []
        [event] = await post(connection, ORDER, [5])
        await feed.next("erp", lambda frame: frame["erp"]["connectors"][0]["waiting"] == 1)
        await connection.execute("update outbox set state = 'parked', last_error = 'closed' where id = %s", (event,))
        await connection.execute("select pg_notify('amor_live', %s)", (f"outbox:{event}",))
        frame = await feed.next("erp", lambda frame: frame["erp"]["attention"])
    assert frame["erp"]["attention"][0]["last_error"] == "closed"


async def test_stop_condition_and_answer_arrive_through_the_feed(tower, client, connection, event):
    async with tower.feed() as feed:
        await feed.next("snapshot")
        await client.post("/api/v1/erp/connectors/erp/stop", json={"reason": "stock-taking"})
        await feed.next("erp", lambda frame: frame["erp"]["connectors"][0]["stop_reason"] == "stock-taking")
        told = Told("erp", "failing", "connection refused", timedelta(seconds=9))
        await connector_condition.tell(connection, event_id("relay", "1", 1), [told], is_news=True)
        await feed.next("erp", lambda frame: frame["erp"]["connectors"][0]["condition"] == "failing")
        asked = await ok(await client.post(f"/api/v1/erp/events/{event}/dry-run", json={}), 202)
        taken = await relay_question.take(connection, "erp")
        await relay_question.refuse(connection, taken.id, "no")
        assert (await feed.next("question"))["question"] == asked["id"]


async def test_payload_that_a_person_made_unreadable_hides_nothing(client, connection):
    """The command line may write anything into a field: the page must show it all the same."""
    fact = MaterialActual(event_id("test", "X", 1), "X", 1, NOW, Decimal(1), Decimal(1), "pcs", "acme/cnc1")
    payload = {**fact.payload(), "quantity": "a lot", "order_ref": ["X"]}
    made = await outbox.insert(connection, connector="erp", stream="X", kind="wip_to_fg", payload=payload, key="x")
    ticket = WorkRequest(event_id("test", "T", 1), 7, "acme/cnc1", "VIB", "high", "Vibration", "4.9", NOW)
    await outbox.insert(
        connection, connector="erp", stream="ticket-7", kind="work_request", payload=ticket.payload(), key="t"
    )
    await connection.execute("update outbox set state = 'parked'")
    answer = await ok(await client.get("/api/v1/erp"))
    assert [(row["quantity"], row["ticket_id"]) for row in answer["attention"]] == [("a lot", None), (None, "7")]
    assert (await client.get(f"/api/v1/erp/events/{made}")).status_code == 200
    await connection.execute("update outbox set state = 'done', done_at = now()")
    await client.post("/api/v1/erp/connectors/erp/stop", json={"reason": "r"})  # which reads anew
    [erp] = (await ok(await client.get("/api/v1/erp")))["connectors"]
    assert (erp["posted_today"], erp["pieces_today"]) == (2, None)
