"""The same readings give the same alarm history: in any order of arrival, beyond the lateness too, with duplicates and restarts."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bridge.model.alarm import AlarmState
from bridge.store import alarm, reading
from bridge.store.database import connect
from tests.integration.rules.rules_stage import BAD_STATUS, CNC, Row, Stage, at, open_stage, vibration, wait_for
from tests.integration.rules.test_crash import spawn

RULES = """
apiVersion: rules/v1
rules:
- id: vibration
  for_each: {equipment_class: cnc_spindle}
  inputs: {v: {tag: spindle.vib_rms, unit: mm/s, max_age: 6s}}
  levels:
    - {severity: medium, if: "v > 2.8", clear: "v < 2.5", on_delay: 3s, off_delay: 4s}
    - {severity: high,   if: "v > 4.5", clear: "v < 4.1", on_delay: 2s, off_delay: 4s}
  response: reduce feed
  actions:
    - ticket: {failure_mode: VIB}
- id: while-running
  inputs: {v: {tag: spindle.vib_rms}, n: {tag: spindle.rpm}}
  when_state: [RUNNING]
  settle: 3s
  levels: [{severity: low, if: "v > 2 && n > 1000 && order.active", off_delay: 2s}]
  response: look
- id: latched
  inputs: {v: {tag: spindle.vib_rms}}
  levels: [{severity: critical, if: "v > 6.2", clear: "v < 5", latch: true}]
  response: stop
- id: mean-of-vibration
  inputs: {v: {tag: spindle.vib_rms}}
  levels: [{severity: low, if: "mean(v, 5s) > 3", clear: "mean(v, 5s) < 2.6", on_delay: 1s, off_delay: 1s, rearm: 12s}]
  response: look
"""
LATENESS_S = 1.0
WORDS = ("EXECUTE", "EXECUTE", "EXECUTE", "STARVED", "DANCING")


def story(seed: int) -> list[Row]:
    """A minute of one machine: a vibration that wanders, states, orders, values that are bad, silences."""
    rng = random.Random(seed)
    rows: list[Row] = []
    level = 2.0
    for n in range(70):
        second = n * 0.9
        if rng.random() < 0.12:
            continue
        level = max(0.5, min(7.0, level + rng.uniform(-1.3, 1.3)))
        bad, worn = rng.random() < 0.06, 3.0 if 30 <= n < 45 else 0.0
        rows.append(Row(CNC, "spindle.vib_rms", second, None if bad else level + worn, BAD_STATUS if bad else 0))
        if rng.random() < 0.5:
            rows.append(Row(CNC, "spindle.rpm", second, rng.choice([0.0, 8000.0])))
        if rng.random() < 0.2:
            rows.append(Row(CNC, "state", second, rng.choice(WORDS)))
        if rng.random() < 0.15:
            rows.append(Row(CNC, "order.number", second, rng.choice(["MO/1", "MO/2", ""])))
    return rows


async def journal(bench: Stage) -> dict[str, list[Any]]:
    """What people are told that still holds: alarms and their events, without row numbers and wall times."""
    return {
        "alarms": await bench.rows(
            "select rule_id, raised_at, returned_at, closed_at, state, severity, quality, message, inputs, because "
            "from alarm where retracted_at is null order by rule_id, raised_at, closed_at"),
        "events": await bench.rows(
            "select a.rule_id, a.raised_at, v.at, v.kind, v.severity, v.note, v.inputs, v.because "
            "from alarm_event v join alarm a on a.id = v.alarm_id "
            "where a.retracted_at is null and v.superseded_at is null and v.kind not in ('SUPPRESS', 'UNSUPPRESS', 'ANNUNCIATE') "
            "and v.actor = 'rules' order by a.rule_id, v.at, v.kind, v.severity"),
    }  # fmt: skip


async def deliver(bench: Stage, arrivals: Iterable[tuple[float, Row]], rng: random.Random, restarts: float) -> None:
    sent: list[Row] = []
    for wall, row in arrivals:
        again = [rng.choice(sent)] if sent and rng.random() < 0.1 else []
        await bench.feed.send([row, *again], received=wall, lane=1)
        sent.append(row)
        if rng.random() < 0.4:
            await bench.step(wall)
        if rng.random() < restarts:
            await bench.restart()
    await bench.step(400)
    await bench.step(1000)


async def straight(server: Any, folder: Path, seed: int) -> dict[str, list[Any]]:
    with psycopg.connect(server.dsn_of("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists straight with (force)")
        connection.execute("create database straight template migrated")
    async with open_stage(server.dsn_of("straight"), folder, rules=RULES, lateness_ms=int(1000 * LATENESS_S)) as bench:
        for row in story(seed):
            await bench.feed.send([row], received=row.seconds)
            await bench.step(row.seconds)
        await bench.step(400)
        await bench.step(1000)
        return await journal(bench)


@pytest.mark.timeout(100)
@pytest.mark.parametrize("seed", range(int(os.environ.get("AMOR_ORDERS", "4"))))
async def test_any_order_of_arrival_with_duplicates_and_restarts_gives_the_same_journal(
    database_dsn: str, database_server: Any, migrated_template: str, tmp_path: Path, seed: int
):
    rng = random.Random(1000 + seed)
    late = [0.9 * LATENESS_S, 8.0, 60.0]
    arrivals = sorted(
        ((row.seconds + rng.random() * rng.choices(late, [6, 3, 1])[0], row) for row in story(seed)), key=lambda a: a[0]
    )
    async with open_stage(database_dsn, tmp_path, rules=RULES, lateness_ms=int(1000 * LATENESS_S)) as bench:
        await deliver(bench, arrivals, rng, restarts=0.05)
        found = await journal(bench)
        corrected = await bench.one("select count(*) from alarm_event where superseded_at is not null or late")
    expected = await straight(database_server, tmp_path, seed)
    assert len(expected["events"]) > 5
    assert found["events"] == expected["events"]
    assert found["alarms"] == expected["alarms"]
    assert corrected > 0


@pytest.mark.timeout(100)
async def test_kill_of_the_process_while_late_readings_are_corrected_changes_nothing(
    database_dsn: str, database_server: Any, migrated_template: str, tmp_path: Path
):
    """kill -9 at random moments, in the middle of delays and of corrections; by the wall's clock every reading comes months late."""
    rng = random.Random(7)
    ending = [Row(CNC, "spindle.vib_rms", second, 1.0) for second in (200.0, 300.0)]
    rows = sorted(story(7), key=lambda row: row.seconds + rng.choices([0.0, 20.0], [3, 1])[0] * rng.random()) + ending
    async with open_stage(database_dsn, tmp_path, rules=RULES, lateness_ms=int(1000 * LATENESS_S)) as bench:
        await bench.engine_connection.close()
        process = spawn(bench)
        for n, row in enumerate(rows, 1):
            await bench.feed.send([row], received=row.seconds)
            if n % 25 == 12:
                await wait_for(
                    database_dsn,
                    f"select coalesce(max(seq), 0) >= {n - 8} from lane_cursor where lane = 1",
                    expected=True,
                )
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                process = spawn(bench)
        await wait_for(database_dsn, "select (state->'read'->>'1')::int from rule_state where rule_id = '@clock'",
                       expected=len(rows))  # fmt: skip
        process.kill()
        process.wait()
        killed = await journal(bench)
    with psycopg.connect(database_server.dsn_of("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists straight with (force)")
        connection.execute("create database straight template migrated")
    async with open_stage(database_server.dsn_of("straight"), tmp_path, rules=RULES, lateness_ms=1000) as bench:
        for row in [*story(7), *ending]:
            await bench.feed.send([row], received=row.seconds)
        await bench.step(1000)
        assert killed == await journal(bench)


SIMPLE = RULES[: RULES.index("- id: while-running")]


@pytest.fixture
async def simple(database_dsn: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_dsn, tmp_path, rules=SIMPLE) as bench:
        yield bench


async def test_alarm_that_never_was_is_retracted_and_stays_visible(simple: Stage):
    await simple.feed.send(vibration((0, 1.0), (1, 3.0), (4.5, 3.0), (10, 3.0)))
    await simple.step(12)
    assert await simple.one("select state from alarm") == "ACTIVE_UNACK"
    await simple.feed.send(vibration((3.5, 1.0), (7, 1.0), (11, 1.0)), received=13)
    await simple.step(14)
    row = await simple.one(
        "select state, retracted_at is not null as retracted, late, closed_at is not null as closed from alarm"
    )
    assert row == {"state": "NORMAL", "retracted": True, "late": True, "closed": True}
    events = await simple.rows("select kind, superseded_at is not null as wrong from alarm_event order by id")
    assert {"kind": "RAISE", "wrong": True} in events
    assert events[-1] == {"kind": "RETRACT", "wrong": False}
    notes = await simple.rows("select note from ticket_event where kind = 'NOTE'")
    assert len(notes) == 1
    assert "retracted" in notes[0]["note"]


async def test_alarm_that_late_readings_show_is_raised_with_a_mark_and_its_ticket(simple: Stage):
    await simple.feed.send(vibration((0, 1.0), (10, 1.0), (20, 1.0)))
    await simple.step(22)
    await simple.feed.send(vibration((2, 5.0), (5, 5.0)), received=23)
    await simple.step(24)
    row = await simple.one("select raised_at, returned_at, severity, state, late from alarm")
    assert row == {"raised_at": at(4), "returned_at": at(14), "severity": "high", "state": "RTN_UNACK", "late": True}
    events = await simple.rows("select kind, at, late from alarm_event where kind <> 'QUALITY' order by at")
    assert [(e["kind"], e["at"], e["late"]) for e in events] == [("RAISE", at(4), True), ("RETURN", at(14), True)]
    assert await simple.one("select occurrences from ticket") == 1


async def test_acknowledgement_survives_a_correction(simple: Stage):
    await simple.feed.send(vibration((0, 3.0), (3, 3.0), (6, 3.0)))
    await simple.step(8)
    alarm_id = await simple.one("select id from alarm")
    assert await alarm.acknowledge(simple.connection, alarm_id, "maria", "", at(8)) is AlarmState.ACTIVE_ACK
    await simple.step(8.5)
    assert await simple.one("select count(*) from alarm_event where kind = 'ACK' and applied_at is not null") == 1
    await simple.feed.send(vibration((1, 3.1), (9, 3.0)), received=10)
    await simple.step(12)
    row = await simple.one("select id, raised_at, state, acked_by from alarm where retracted_at is null")
    assert row == {"id": alarm_id, "raised_at": at(3), "state": "ACTIVE_ACK", "acked_by": "maria"}
    await simple.feed.send(vibration((12, 1.0), (17, 1.0), (20, 1.0)))
    await simple.step(22)
    assert await simple.one("select state from alarm") == "NORMAL"


async def test_outage_of_the_bridge_lets_no_delay_run_out_however_long_it_is(database_dsn: str, tmp_path: Path):
    """The lane's writer is away for 200 s and back with what the broker kept: no alarm that never was, not even for a moment."""
    async with open_stage(database_dsn, tmp_path, rules=SIMPLE) as bench:
        for second in range(10):
            await bench.feed.send(vibration((second, 1.0)))
            await bench.step(second)
        await bench.feed.send(vibration((10, 5.0)))
        await bench.step(11)
        writer, bench.connection = bench.connection, await connect(database_dsn, "test")
        bench.feed.connection = bench.connection
        await writer.close()  # kill -9: the lane is free the instant its writer dies
        for second in (12, 45, 100, 200):
            await bench.step(second)
        await bench.restart()
        await bench.step(205)
        for lane in (1, 2):
            await reading.take_lane(bench.connection, lane)
        for second in (210, 230):
            await bench.step(second)  # the bridge is back; what the broker kept is not read yet
        assert await bench.one("select count(*) from alarm") == 0
        await bench.feed.send(vibration(*((second, 1.0) for second in range(11, 235))), received=235)
        await bench.step(300)
        assert await bench.one("select count(*) from alarm") == 0
        assert await bench.one("select count(*) from ticket") == 0
