"""What a dry run shows: exactly what the relay would send now, for an event that is new, half carried, or there already."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from bridge.erp.connector import Found, Step
from bridge.erp.relay.questions import dry_run
from bridge.errors import BusinessError
from bridge.model.production import MaterialActual, event_id

EVENT = MaterialActual(
    event_id("test", "MES-1", 1),
    "MES-1",
    1,
    datetime(2026, 7, 1, tzinfo=UTC),
    Decimal(5),
    Decimal(5),
    "pcs",
    "acme/cnc1",
)
WRITE, DONE = (
    Step("write", "order/write", {"n": 5}, is_repeatable=True),
    Step("done", "order/done", {}, is_repeatable=False),
)
AFTER = Step("label", "order/label", {}, is_repeatable=True)


class System:
    """A system that holds so much of the event, and notes what it is asked."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self.asked: list[str] = []

    async def lookup(self, event):
        self.asked.append("lookup")
        return self._found

    async def plan(self, event):
        self.asked.append("plan")
        return [WRITE, DONE]


def row(state: str = "pending", steps: tuple[Step, ...] = (), done: int = 0):
    checkpoint = {"steps": [step.to_json() for step in steps], "done": done} if steps else {}
    return {"kind": "wip_to_fg", "payload": EVENT.payload(), "state": state, "checkpoint": checkpoint}


def names(answer):
    return [step["name"] for step in answer["steps"]]


async def test_new_event_shows_its_whole_plan():
    system = System(Found(is_posted=False))
    answer = await dry_run(system, row())
    assert (names(answer), answer["has_it_as"]) == (["write", "done"], None)
    assert system.asked == ["lookup", "plan"]


async def test_event_that_is_there_shows_its_document_and_nothing_to_send():
    system = System(Found(is_posted=True, external_id="D/17"))
    assert await dry_run(system, row()) == {"has_it_as": "D/17", "steps": []}
    assert system.asked == ["lookup"]


async def test_event_that_is_half_carried_shows_what_is_left_of_its_own_plan():
    system = System(Found(is_posted=False))
    assert names(await dry_run(system, row("sending", (DONE, AFTER), done=1))) == ["label"]
    assert names(await dry_run(system, row("sending", (DONE, AFTER), done=2))) == [
        "label"
    ]  # repeatable: it is sent again
    assert system.asked == ["lookup", "lookup"]


async def test_system_that_shows_how_far_it_is_knows_better_than_the_checkpoint():
    system = System(Found(is_posted=False, steps_done=1))
    assert names(await dry_run(system, row("sending", (DONE, AFTER), done=0))) == ["label"]


async def test_parked_event_shows_what_a_replay_would_send_which_plans_anew():
    system = System(Found(is_posted=False))
    assert names(await dry_run(system, row("parked", (DONE, AFTER), done=1))) == ["write", "done"]


async def test_payload_that_holds_no_event_is_told_in_words():
    broken = {**row(), "payload": {**EVENT.payload(), "quantity": "a lot"}}
    with pytest.raises(BusinessError, match="is no wip_to_fg event"):
        await dry_run(System(Found(is_posted=False)), broken)
