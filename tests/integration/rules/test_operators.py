"""What operators do with alarms, seen from the rules: shelves, service, actions, feedback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridge.config.settings import Settings, TicketsSettings
from bridge.store import alarm as alarm_store
from bridge.store import feedback, shelf
from bridge.store.database import Connection, connected
from rules.actions.comeback import come_back
from rules.engine import run
from rules.tickets import feedback as feedback_of_rules
from tests.integration.rules.rules_stage import CNC, Row, Stage, open_stage, vibration, wait_for

LEVELS = """
  levels:
    - {severity: medium, if: "v > 2.8", clear: "v < 2.5", on_delay: 3s, off_delay: 10s}
    - {severity: high,   if: "v > 4.5", clear: "v < 4.1", on_delay: 2s, off_delay: 10s}
  response: reduce feed
"""
RULES = f"""
apiVersion: rules/v1
rules:
- id: vibration
  for_each: {{equipment_class: cnc_spindle}}
  inputs: {{v: {{tag: spindle.vib_rms, unit: mm/s}}}}
{LEVELS}
  actions:
    - ticket: {{failure_mode: VIB}}
    - notify: {{to: [shift_lead], from: high, on: [raise, escalate, return]}}
    - webhook: {{connector: hook}}
    - write: {{connector: plc, tag: feed.limit, value: 0.5, from: high}}
    - write: {{connector: plc, tag: spindle.stop, value: true, from: high}}
"""
CONNECTORS = [
    {"type": "apprise", "name": "chat", "url": "json://127.0.0.1:1", "roles": ["shift_lead"]},
    {
        "type": "tag_write", "name": "plc", "url": "mqtt://127.0.0.1:1",
        "tag": [{"equipment": "acme/*", "tag": "feed.limit", "low": 0.2, "high": 1.0, "topic": "w/{equipment}/{tag}"}],
    },
]  # fmt: skip


def with_connectors(settings: Settings) -> Settings:
    more = Settings.model_validate({"plant": {"name": "x"}, "database": {"dsn": "x"}, "connector": CONNECTORS})
    return settings.model_copy(update={"connector": more.connector})


@pytest.fixture
async def stage(database_dsn: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_dsn, tmp_path, rules=RULES) as opened:
        await opened.restart(with_connectors(opened.settings))
        yield opened


def plateau(start: float, value: float, seconds: int = 8) -> list[Row]:
    return vibration(*((start + second, value) for second in range(seconds)))


async def high(stage: Stage, start: float = 0.0) -> int:
    """The machine vibrates too much for long enough; returns the alarm."""
    await stage.feed.send(plateau(start, 5.0))
    await stage.step(start + 7)
    return await stage.one("select max(id) from alarm")


async def machine_of(stage: Stage) -> int:
    return await stage.one(f"select id from equipment where path = '{CNC}'")


async def put_on_shelf(stage: Stage, kind: shelf.ShelfKind = "timed", minutes: float = 60) -> None:
    now = datetime.now(UTC)
    await shelf.shelve(
        stage.connection, "vibration", await machine_of(stage), kind=kind, reason="bearing is on order", actor="olga",
        now=now, until=now + timedelta(minutes=minutes),
    )  # fmt: skip


async def caused(stage: Stage) -> dict[str, int]:
    tables = {"tickets": "ticket", "news": "notification", "postings": "outbox"}
    return {name: await stage.one(f"select count(*) from {table}") for name, table in tables.items()}


async def come_back_at(stage: Stage, now: datetime) -> int:
    return await come_back(stage.connection, stage.settings, stage.follower.rules(), now)


# --- actions --------------------------------------------------------------------------------------------------------------


async def test_alarm_opens_a_ticket_tells_people_and_programs_and_writes_what_is_allowed(stage: Stage):
    await high(stage)
    assert await stage.one("select count(*) from ticket") == 1
    news = await stage.one("select target, severity, subject from notification")
    assert (news["target"], news["severity"]) == ("chat", "high")
    assert news["subject"].startswith("HIGH cnc1: spindle.vib_rms 5 mm/s: v > 4.5")
    rows = await stage.rows("select connector, kind, payload from outbox order by id")
    [notice] = [row["payload"] for row in rows if row["connector"] == "hook"]
    assert (notice["facts"]["event"], notice["facts"]["severity"]) == ("raise", "high")
    assert notice["facts"]["inputs"]["v"]["value"] == 5.0
    [write] = [row["payload"] for row in rows if row["connector"] == "plc"]
    assert (write["equipment"], write["tag"], write["value"]) == (CNC, "feed.limit", 0.5)
    assert "rule vibration version 1" in write["cause"]


async def test_clocks_of_a_ticket_start_with_its_alarm(stage: Stage):
    sla = {"high": {"response": "15 min", "restore": "4 h"}}
    promises = TicketsSettings.model_validate({"sla": sla})
    await stage.restart(stage.settings.model_copy(update={"tickets": promises}))
    await high(stage)
    rows = await stage.rows("select kind, started_at, target from ticket_clock order by kind")
    raised = await stage.one("select raised_at from alarm")
    assert [(row["kind"], row["started_at"], row["target"]) for row in rows] == [
        ("response", raised, timedelta(minutes=15)), ("restore", raised, timedelta(hours=4)),
    ]  # fmt: skip


async def test_write_that_is_not_allowed_is_refused_and_audited(stage: Stage):
    await high(stage)
    rows = await stage.rows("select action, subject, detail from audit order by id")
    said = {row["subject"].rpartition("/")[2]: row for row in rows}
    assert said["feed.limit"]["action"] == "tag write asked for"
    assert said["spindle.stop"]["action"] == "tag write refused"
    assert "not among the tags" in said["spindle.stop"]["detail"]["refused"]


async def test_everything_that_an_alarm_causes_is_written_once_though_the_engine_starts_again(stage: Stage):
    await high(stage)
    before = await caused(stage)
    await stage.restart(stage.settings)
    await stage.step(7)
    assert await caused(stage) == before


# --- shelved, suppressed, out of service ----------------------------------------------------------------------------------


async def test_shelved_alarm_is_logged_and_calls_nobody(stage: Stage):
    await put_on_shelf(stage)
    await high(stage)
    assert await caused(stage) == {"tickets": 0, "news": 0, "postings": 0}
    row = await stage.one("select state, held_back from alarm")
    assert (row["state"], row["held_back"]) == ("ACTIVE_UNACK", "shelved")
    events = await stage.rows("select annunciated from alarm_event where kind in ('RAISE', 'ESCALATE')")
    assert [event["annunciated"] for event in events] == [False]


async def test_alarm_that_still_stands_when_its_shelf_ends_calls_people_after_all(stage: Stage):
    await put_on_shelf(stage, minutes=10)
    await high(stage)
    now = datetime.now(UTC)
    assert await come_back_at(stage, now + timedelta(minutes=9)) == 0
    assert await come_back_at(stage, now + timedelta(minutes=11)) == 1
    assert await come_back_at(stage, now + timedelta(minutes=12)) == 0
    assert (await caused(stage))["tickets"] == 1
    assert await stage.one("select subject from notification") == (
        "HIGH cnc1: spindle.vib_rms 5 mm/s: v > 4.5 (no longer shelved)"
    )
    kinds = await stage.rows("select kind, actor from alarm_event where kind in ('UNSHELVE', 'ANNUNCIATE') order by id")
    assert [row["kind"] for row in kinds] == ["UNSHELVE", "ANNUNCIATE"]
    assert await stage.one("select ended_by from shelf") == "time"


async def test_alarm_that_is_over_when_its_shelf_ends_calls_nobody(stage: Stage):
    await put_on_shelf(stage, minutes=10)
    await high(stage)
    await stage.feed.send(plateau(8, 1.0, 14))
    await stage.step(22)
    assert (
        await come_back_at(stage, datetime.now(UTC) + timedelta(minutes=11)) == 1
    )  # RTN_UNACK: seen, and nothing follows
    assert await caused(stage) == {"tickets": 0, "news": 0, "postings": 0}


async def test_one_shot_shelf_ends_with_its_alarm_and_the_next_one_calls(stage: Stage):
    await put_on_shelf(stage, "one_shot")
    await high(stage)
    assert (await caused(stage))["tickets"] == 0
    await stage.feed.send(plateau(8, 1.0, 14))
    await stage.step(22)
    assert await stage.one("select ended_by from shelf") == "return"
    await high(stage, 30)
    assert (await caused(stage))["tickets"] == 1


async def test_alarm_that_was_shelved_after_its_ticket_is_told_again_and_is_no_other_occurrence(stage: Stage):
    await high(stage)
    await put_on_shelf(stage)
    assert await stage.one("select held_back from alarm") == "shelved"
    await shelf.unshelve(
        stage.connection, "vibration", await machine_of(stage), "olga", "bearing is here", datetime.now(UTC)
    )
    assert await come_back_at(stage, datetime.now(UTC)) == 1
    assert await stage.one("select occurrences from ticket") == 1
    assert await stage.one("select count(*) from notification") == 2


async def test_what_is_above_an_asset_takes_it_out_of_service(stage: Stage):
    line = await stage.one("select id from equipment where level = 'work_center'")
    now = datetime.now(UTC)
    taken = await shelf.take_out_of_service(
        stage.connection, line, None, work_order="WO-1", reason="overhaul", actor="olga", now=now
    )
    assert taken is not None
    await high(stage)
    assert await stage.one("select held_back from alarm") == "out_of_service"
    assert (await caused(stage))["tickets"] == 0
    await shelf.bring_back(stage.connection, taken, "olga", now)
    assert await come_back_at(stage, datetime.now(UTC)) == 1
    assert (await caused(stage))["tickets"] == 1


async def test_out_of_service_of_another_rule_or_machine_changes_nothing(stage: Stage):
    other = await stage.one("select id from equipment where name = 'insp1'")
    now = datetime.now(UTC)
    for equipment, rule in ((other, None), (await machine_of(stage), "another-rule")):
        await shelf.take_out_of_service(
            stage.connection, equipment, rule, work_order="WO-1", reason="overhaul", actor="olga", now=now
        )
    await high(stage)
    assert (await caused(stage))["tickets"] == 1


async def test_ticket_of_an_alarm_that_never_was_has_a_note_of_it(stage: Stage):
    await high(stage)
    await stage.step(30)
    assert (await caused(stage))["tickets"] == 1
    between = vibration(*((second + 0.5, 1.0) for second in range(8)))
    await stage.feed.send(between, received=31)
    await stage.step(40)
    assert await stage.one("select retracted_at is not null from alarm") is True
    assert await stage.one("select note from ticket_event where kind = 'note'") == (
        "late readings showed that the alarm never was"
    )


async def again_and_again(stage: Stage, times: int, work: Callable[[Connection], Awaitable[object]]) -> None:
    async with connected(stage.dsn, "test") as own:
        for _ in range(times):
            await work(own)


async def test_operators_the_engine_and_the_duty_never_wait_for_each_other_in_a_ring(stage: Stage):
    number, machine = await high(stage), await machine_of(stage)

    async def shelve(own: Connection) -> None:
        now = datetime.now(UTC)
        until = now + timedelta(milliseconds=5)
        await shelf.shelve(own, "vibration", machine, kind="one_shot", reason="r", actor="o", now=now, until=until)

    async def service(own: Connection) -> None:
        now = datetime.now(UTC)
        taken = await shelf.take_out_of_service(own, machine, None, work_order="W", reason="r", actor="o", now=now)
        await shelf.bring_back(own, taken or 0, "o", now)

    async def duty(own: Connection) -> None:
        await come_back(own, stage.settings, stage.follower.rules(), datetime.now(UTC))

    async def acknowledge(own: Connection) -> None:
        await alarm_store.acknowledge(own, number, "o", "", datetime.now(UTC))

    async def engine() -> None:
        for start in range(10, 130, 40):
            await stage.feed.send([*plateau(start, 1.0, 14), *plateau(start + 15, 5.0)])
            await stage.step(start + 24)

    async with asyncio.timeout(60):
        others = (again_and_again(stage, 40, work) for work in (shelve, service, duty, acknowledge))
        await asyncio.gather(engine(), *others)
    assert await stage.one("select count(*) from alarm where closed_at is null") == 1
    await come_back_at(stage, datetime.now(UTC) + timedelta(minutes=1))
    assert await stage.one("select held_back from alarm where closed_at is null") is None


async def test_process_of_the_rules_looks_after_shelves_and_tells_people(stage: Stage):
    await put_on_shelf(stage, minutes=0.02)
    await high(stage)
    assert await caused(stage) == {"tickets": 0, "news": 0, "postings": 0}
    stop = asyncio.Event()
    running = asyncio.create_task(run(stage.settings, stop))
    try:
        told = "select count(*) = 1 from outbox where connector = 'chat' and kind = 'notice'"
        await wait_for(stage.dsn, told, expected=True)
    finally:
        stop.set()
        await running
    assert await stage.one("select state from notification") == "queued"
    assert await stage.one("select ended_by from shelf") == "time"
    assert (await caused(stage))["tickets"] == 1


# --- feedback ---------------------------------------------------------------------------------------------------------------


async def test_verdicts_become_precision_and_a_limit_that_would_have_done_better(stage: Stage):
    peaks = [5.0, 5.2, 8.0, 9.0]
    for number, peak in enumerate(peaks):
        await stage.feed.send([*plateau(number * 60, peak), *plateau(number * 60 + 8, 1.0, 15)])
        await stage.step(number * 60 + 24)
        await stage.rows("update alarm set acked_at = now(), acked_by = 'olga', state = 'NORMAL', closed_at = returned_at"
                         " where closed_at is null returning id")  # fmt: skip
        await stage.step(number * 60 + 25)
    alarms = await stage.rows("select id from alarm order by raised_at")
    assert len(alarms) == len(peaks)
    for row, verdict in zip(alarms, ("false", "false", "true", "true"), strict=True):
        await feedback.give(stage.connection, row["id"], verdict, "olga", "", datetime.now(UTC))
    rules = stage.follower.rules()
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert await feedback_of_rules.compute(stage.connection, rules, later) == 1
    assert await feedback_of_rules.compute(stage.connection, rules, later) == 0
    [row] = await feedback.of_rules(stage.connection)
    assert (row["true_count"], row["false_count"], row["unknown_count"]) == (2, 2, 0)
    assert row["precision_low"] < 0.5 < row["precision_high"]
    assert row["suggestion"] == {
        "input": "v", "tag": "spindle.vib_rms", "above": True, "limit": 4.5, "suggested": 6.6, "kept": 2, "dropped": 2,
        "of_false": 2,
    }  # fmt: skip


# --- suppressed by the rules ------------------------------------------------------------------------------------------------

PARENT = """
- id: machine-stopped
  for_each: {equipment_class: cnc_spindle}
  inputs: {r: {tag: spindle.rpm, unit: 1/min}}
  levels: [{severity: low, if: "r > 5000", clear: "r < 4000"}]
  response: look why
"""


async def test_alarm_that_its_parent_suppresses_calls_people_when_the_parent_is_over(database_dsn: str, tmp_path: Path):
    rules = RULES.replace("- id: vibration\n", "- id: vibration\n  parent: machine-stopped\n") + PARENT
    async with open_stage(database_dsn, tmp_path, rules=rules) as stage:
        await stage.restart(with_connectors(stage.settings))
        await high(stage)  # with the spindle at 8000 a minute
        child = "from alarm where rule_id = 'vibration'"
        assert await stage.one(f"select held_back {child}") == "suppressed"
        assert await caused(stage) == {"tickets": 0, "news": 0, "postings": 0}
        assert await come_back_at(stage, datetime.now(UTC)) == 0
        await stage.feed.send([Row(CNC, "spindle.rpm", 8, 0.0), Row(CNC, "spindle.vib_rms", 8, 5.0)])
        await stage.feed.send([Row(CNC, "spindle.vib_rms", 10, 5.0)])
        await stage.step(10)
        assert await come_back_at(stage, datetime.now(UTC)) == 1
        assert await stage.one(f"select held_back {child}") is None
        assert (await caused(stage))["tickets"] == 1
        assert "no longer suppressed" in await stage.one("select subject from notification")
