"""Events, plans and connectors that fail for good: each is told to a person, and holds nothing else up."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bridge.erp.odoo19 import Odoo19
from bridge.errors import TransientError
from bridge.store import outbox
from tests.integration.relay.journal_stage import ORDER, OTHER
from tests.relay_process import QUICK, post, relaying, until

POISON: dict[str, dict[str, Any]] = {
    "before the common era": {"occurred_at": "0001-01-01T00:00:00+05:00"},
    "a quantity with a million digits": {"quantity": "1e999999", "cumulative": "1e999999"},
    "a quantity beyond the point": {"quantity": "1e-999999", "cumulative": "1e999999"},
    "no order": {"order_ref": None},
    "an order that is a list": {"order_ref": ["a"]},
    "a sequence that is none": {"sequence": {}},
    "an id that is none": {"event_id": 7},
    "not a quantity": {"quantity": {"$gt": 0}},
    "nested": {"equipment": [[[[[[]]]]]]},
    "long": {"equipment": "x" * 100_000},
}


async def test_poison_parks_itself_and_nothing_else(erp, connection, database_dsn):
    good = (await post(connection, ORDER, [5]))[0]
    row = await outbox.read(connection, good)
    for number, (name, wrong) in enumerate(POISON.items()):
        payload = {**row["payload"], "order_ref": "MES-0002", "event_id": str(uuid.uuid4()), **wrong}
        await outbox.insert(
            connection, connector="erp", stream=f"poison {number}", kind="wip_to_fg", payload=payload, key=name
        )
    async with relaying(database_dsn, erp.settings()):
        rows = await until(database_dsn, lambda rows: all(row["state"] in ("done", "parked") for row in rows))
    stuck = {row["key"]: row["last_error"] for row in rows if row["state"] == "parked"}
    assert set(POISON) - {"nested", "long"} <= set(stuck), "those two name equipment only, which Odoo is not told"
    assert all(stuck.values())
    assert await erp.good_posted(ORDER) == 5


async def test_plan_that_cannot_be_kept_is_for_a_person(erp, connection, database_dsn, monkeypatch):
    plan = Odoo19.plan

    async def odd(self, event):
        steps = list(await plan(self, event))
        return [replace(steps[0], body={"x": "a\x00b"}), *steps[1:]] if event.order_ref == OTHER else steps

    monkeypatch.setattr(Odoo19, "plan", odd)
    await post(connection, OTHER, [1])
    await post(connection, ORDER, [5])
    async with relaying(database_dsn, erp.settings()):
        rows = await until(database_dsn, lambda rows: {row["state"] for row in rows} == {"done", "parked"})
    assert "cannot be kept" in rows[0]["last_error"]


async def test_mistake_that_a_connector_makes_again_and_again_is_told_to_a_person(
    erp, connection, database_dsn, monkeypatch
):
    async def mistaken(self, event):
        raise KeyError("a mistake")

    monkeypatch.setattr(Odoo19, "plan", mistaken)
    monkeypatch.setattr(Odoo19, "lookup", mistaken)
    await post(connection, ORDER, [5])
    rhythm = replace(QUICK, most_own_faults=3)
    async with relaying(database_dsn, erp.settings(timeout_s=0.05), rhythm=rhythm):
        [row] = await until(database_dsn, lambda rows: rows[0]["state"] == "parked")
    assert "a mistake" in row["last_error"]


async def test_one_order_that_always_fails_holds_no_other_up(erp, connection, database_dsn, monkeypatch):
    """It alone fails, again and again, while nothing else is to be done: the system is not away."""
    for name in ("plan", "lookup"):
        original = getattr(Odoo19, name)

        async def failing(self, event, original=original):
            if event.order_ref == OTHER:
                raise TransientError("the gateway timed out")
            return await original(self, event)

        monkeypatch.setattr(Odoo19, name, failing)
    await post(connection, OTHER, [1])
    rhythm = replace(QUICK, circuit=replace(QUICK.circuit, base=timedelta(hours=1), cap=timedelta(hours=1)))
    async with relaying(database_dsn, erp.settings(poll_s=3600), rhythm=rhythm):
        await until(database_dsn, lambda rows: rows[0]["attempts"] > 2 * QUICK.most_failures)
        [new] = await post(connection, ORDER, [5])
        await until(database_dsn, lambda rows: any(row["id"] == new and row["state"] == "done" for row in rows))
