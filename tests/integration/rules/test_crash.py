"""The engine through crashes: at any statement, by kill -9, and against others who write at the same time."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from bridge.model.alarm import AlarmState
from bridge.store import alarm, ticket
from bridge.store.alarm import NewAlarm
from bridge.store.database import connect, pool
from rules.engine import run
from tests.integration.rules.rules_stage import (
    CNC,
    CONSUMED,
    FINAL,
    LATE_SCRAP,
    PERFORMANCE,
    RULES,
    SCRAP,
    T0,
    Row,
    Stage,
    at,
    open_stage,
    settings_for,
    together,
    wait_for,
)
from tests.program import Program

EVERYTHING = RULES.replace("max_wait: 10s}}", "max_wait: 10s}, serials: {tag: parts.serial}}")
EVERYTHING += SCRAP.replace("- id: scrap", "- id: scrap\n  for_each: {equipment_class: inspection}") + CONSUMED
EVERYTHING += PERFORMANCE.replace("connector: erp", "connector: sap") + LATE_SCRAP


# Of both machines: what they yielded and scrapped.
PERFORMED = "select coalesce(sum(quantity), 0)::int from posting where kind = 'performance'"


@pytest.fixture
async def bench(database_dsn: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(database_dsn, tmp_path, rules=EVERYTHING) as opened:
        yield opened


def story(start: float = 0.0) -> list[list[Row]]:
    """Batches of a minute: a bearing that wears and is repaired, pieces with wrapping counters, orders, scrap, states."""
    batches = []
    for n in range(60):
        vibration = 5.0 if 10 <= n < 25 or n >= 45 else 3.0 if n < 30 else 1.0
        rows = together(
            CNC, start + n, spindle__vib_rms=vibration, spindle__rpm=8000.0, state="EXECUTE" if n % 9 else "ABORTED",
            order__number=f"MO/{n // 25}", parts__good=n, parts__scrap=n // 15, scrap__reason=f"reason {n % 2}",
        )  # fmt: skip
        rows += together(
            FINAL, start + n, parts__good=(65520 + n) % 65536, order__number=f"MO/{n // 25}", state="EXECUTE"
        )
        if n % 10 == 0:
            rows += together(FINAL, start + n, parts__scrap=(65530 + n) % 65536, scrap__reason=f"reason {n}")
        # For a while a scanner tells numbers, a little before the piece or with it; it misses one, and shows one twice.
        if n in range(24, 36) and n != 27:
            rows += together(FINAL, start + n - 0.4 * (n % 2), parts__serial=f"S{32 if n == 33 else n}")
        batches.append(rows)
    return batches


async def results(bench: Stage, start: float = 0.0) -> dict[str, object]:
    """What must be the same however it came about; times as seconds of the story."""
    origin = f"timestamptz '{at(start).isoformat()}'"
    return {
        "events": await bench.rows(
            f"select extract(epoch from at - {origin})::float as at, kind, severity from alarm_event "
            "where kind <> 'QUALITY' order by at, kind"),
        "tickets": await bench.rows("select failure_mode, priority, occurrences from ticket"),
        "work requests": await bench.rows("select count(*)::int as n from outbox where kind = 'work_request'"),
        "counts": await bench.rows(
            f"select extract(epoch from ts - {origin})::float as at, kind, qty, order_number, reason "
            "from production_count order by ts, kind, tag_id"),
        "states": await bench.rows(
            f"select equipment_id, extract(epoch from lower(during) - {origin})::float as at, state from machine_state order by 1, 2"),
        "posted": await bench.rows(
            "select stream, sum((payload->>'quantity')::int)::int as qty, max((payload->>'cumulative')::int) as cumulative, "
            "count(distinct payload->>'sequence') = count(*) as numbered from outbox where kind = 'wip_to_fg' group by 1 order by 1"),
        "other postings": await bench.rows(
            "select kind, item, order_number, sum(quantity)::text as qty, max(cumulative)::text as cumulative, "
            "count(distinct sequence) = max(sequence) as numbered, count(*) filter (where is_final)::int as finals "
            "from posting group by 1, 2, 3 order by 1, 2, 3"),
        "other events": await bench.rows(
            "select kind, stream, case when kind <> 'performance' then payload->>'reason' end as reason, "
            "payload->>'equipment' as machine, sum(coalesce(payload->>'quantity', payload->>'yielded')::numeric)::text as qty "
            "from outbox where kind <> 'work_request' group by 1, 2, 3, 4 order by 1, 2, 3, 4"),
        "scrap confirmed": await bench.rows(
            "select stream, payload->>'reason' as reason, payload->>'equipment' as machine, "
            "sum((payload->>'scrapped')::int)::int as scrapped from outbox where kind = 'performance' "
            "and payload->>'scrapped' <> '0' group by 1, 2, 3 order by 1, 2, 3"),
        "serials": await bench.rows(
            "select p.serial, o.stream, c.pieces::int from posted_serial p join outbox o on o.id = p.outbox_id "
            "left join count_serial c using (serial) order by 1, 3"),
        "serials read": await bench.rows(
            f"select serial, extract(epoch from read_at - {origin})::float as at, pieces::int from count_serial order by 2, 1, 3"),
        "without serials": await bench.rows(
            "select stream, sum((payload->>'quantity')::int)::int as qty from outbox where payload ? 'serials_missing' group by 1 order by 1"),
        "unposted": await bench.rows("select count(*)::int as n from production_count where is_final and kind = 'good' and outbox_id is null"),
    }  # fmt: skip


EXPECTED_POSTED = [
    {"stream": "MO/0", "qty": 24, "cumulative": 24, "numbered": True},
    {"stream": "MO/1", "qty": 25, "cumulative": 25, "numbered": True},
    {"stream": "MO/2", "qty": 10, "cumulative": 10, "numbered": True},
]


# But for the one that was missed (27), the one that was counted at once with scrap (30), and the one that showed the number before (33).
SERIALS = [("S24", "MO/0"), *((f"S{n}", "MO/1") for n in (25, 26, 28, 29, 31, 32, 34, 35))]
WITHOUT_SERIALS = [{"stream": "MO/0", "qty": 23}, {"stream": "MO/1", "qty": 17}, {"stream": "MO/2", "qty": 10}]


class Cut(psycopg.OperationalError):
    """The connection broke here."""


class CutAt:
    """Breaks the engine's connection at its n-th statement."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        self.connection: object = None
        execute = psycopg.AsyncCursor.execute

        async def cut(cursor, *args, **kwargs):
            if self.left is not None and cursor.connection is self.connection:
                if self.left == 0:
                    cursor.connection.pgconn.finish()
                    raise Cut("cut by the test")
                self.left -= 1
            return await execute(cursor, *args, **kwargs)

        monkeypatch.setattr(psycopg.AsyncCursor, "execute", cut)


@pytest.mark.timeout(300)
async def test_connection_that_breaks_at_any_statement_changes_nothing(
    bench: Stage, monkeypatch: pytest.MonkeyPatch, database_server, migrated_template: str, tmp_path: Path
):
    cut = CutAt(monkeypatch)
    cuts = 0
    batches = story()
    for first in range(0, 60, 12):
        for rows in batches[first : first + 12]:
            await bench.feed.send(rows)
        statement = first // 12 % 2  # every second one, the others in the next round
        while True:
            cut.left, cut.connection = statement, bench.engine_connection
            try:
                await bench.step(first + 12)
            except Cut:
                cuts += 1
                statement += 2
                cut.left = None
                await bench.restart()
            else:
                cut.left = None
                break
    await bench.step(120)
    assert cuts > 150
    broken = await results(bench)
    assert broken["posted"] == EXPECTED_POSTED
    assert broken["unposted"] == [{"n": 0}]
    assert [(row["serial"], row["stream"]) for row in broken["serials"]] == SERIALS
    assert broken["without serials"] == WITHOUT_SERIALS
    assert broken == await undisturbed(database_server, tmp_path)


async def undisturbed(database_server, folder: Path, start: float = 0.0) -> dict[str, object]:
    """The results of the story in a database of its own, in one go."""
    with psycopg.connect(database_server.dsn_of("postgres"), autocommit=True) as connection:
        connection.execute("drop database if exists undisturbed with (force)")
        connection.execute("create database undisturbed template migrated")
    async with open_stage(database_server.dsn_of("undisturbed"), folder, rules=EVERYTHING) as other:
        for rows in story(start):
            await other.feed.send(rows)
        await other.step(start + 120)
        return await results(other, start)


def spawn(bench: Stage) -> Program:
    text = bench.settings.model_copy(update={"database": {"dsn": bench.dsn}}).model_dump_json(
        by_alias=True, exclude_none=True, warnings=False
    )
    text = text.replace('"key":"**********"', '"key":"k"')
    return Program("tests.rules_process", text)


@pytest.mark.timeout(300)
async def test_kill_of_the_process_at_any_moment_changes_nothing(bench: Stage, database_server, tmp_path: Path):
    start = (datetime.now(UTC) - T0).total_seconds() - 70
    await bench.engine_connection.close()
    process = spawn(bench)
    try:
        for n, rows in enumerate(story(start)):
            await bench.feed.send(rows, received=(datetime.now(UTC) - T0).total_seconds())
            if n % 12 == 6:
                await wait_for(bench.dsn, f"select coalesce(max(seq), 0) >= {n - 4} from lane_cursor", expected=True)
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                process = spawn(bench)
        query = "select coalesce(sum((payload->>'quantity')::int), 0)::int from outbox where kind = 'wip_to_fg'"
        await wait_for(bench.dsn, query, expected=59)
        await wait_for(bench.dsn, PERFORMED, expected=59 + 50 + 59 + 3)
        await wait_for(bench.dsn, "select count(*)::int from ticket_evidence where picture is not null", expected=1)
        await wait_for(bench.dsn, "select count(*)::int from alarm_event where kind = 'RAISE'", expected=2)
    finally:
        process.kill()
        process.wait()
    killed = await results(bench, start)
    assert killed["posted"] == EXPECTED_POSTED
    assert killed["without serials"] == WITHOUT_SERIALS
    assert killed == await undisturbed(database_server, tmp_path, start)


async def test_process_goes_on_when_the_database_comes_back_and_ends_when_told(bench: Stage):
    stop = asyncio.Event()
    await bench.engine_connection.close()
    start = (datetime.now(UTC) - T0).total_seconds()
    engine = asyncio.create_task(run(bench.settings, stop))
    await bench.feed.send(together(FINAL, start, parts__good=1, order__number="MO/1"), received=start)
    await wait_for(bench.dsn, "select count(*)::int from counter_epoch", expected=1)
    await bench.rows("select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'amor rules%'")
    await bench.feed.send(together(FINAL, start + 1, parts__good=3, order__number="MO/1"), received=start + 1)
    await wait_for(bench.dsn, "select coalesce(sum(qty), 0)::int from production_count", expected=2)
    stop.set()
    await asyncio.wait_for(engine, 2)


async def test_hundred_triggers_at_once_make_one_ticket_of_hundred_occurrences(bench: Stage):
    await bench.feed.send(together(CNC, 0, spindle__vib_rms=1.0))
    [equipment] = await bench.rows(f"select id from equipment where path = '{CNC}'")
    async with pool(bench.dsn, "test", size=20) as connections:

        async def trigger(n: int) -> bool:
            async with connections.connection(timeout=60) as connection, connection.transaction():
                new = NewAlarm(f"rule-{n}", 1, equipment["id"], "high", "GOOD", "m", "", "r", {}, at(n))
                alarm_id = await alarm.raise_alarm(connection, new)
                opened = await ticket.open_or_recur(
                    connection, equipment_id=equipment["id"], failure_mode="VIB", priority="critical" if n == 50 else "low",
                    title="t", description="", alarm_id=alarm_id, at=at(n),
                )  # fmt: skip
                return opened.is_new

        made = await asyncio.gather(*(trigger(n) for n in range(100)))
    assert sum(made) == 1
    assert await bench.one("select occurrences, priority from ticket") == {"occurrences": 100, "priority": "critical"}
    assert await bench.one("select count(*) from ticket_occurrence") == 100


async def test_hundred_rules_that_see_one_fault_make_one_ticket(database_dsn: str, tmp_path: Path):
    vibration = RULES[RULES.index("- id: vibration") : RULES.index("- id: finished-goods")]
    many = RULES + "".join(
        vibration.replace("id: vibration", f"id: vibration-{n}").replace("v > 2.8", f"v > 2.8{n:02}1")
        for n in range(99)
    )
    async with open_stage(database_dsn, tmp_path, rules=many) as bench:
        await bench.feed.send(together(CNC, 0, spindle__vib_rms=5.0) + together(CNC, 4, spindle__vib_rms=5.0))
        await bench.step(10)
        assert await bench.one("select count(*) from alarm") == 100
        assert await bench.one("select occurrences from ticket") == 100
        assert await bench.one("select count(*) from outbox") == 1


async def test_acknowledgement_under_the_engines_eyes_is_kept(bench: Stage):
    await bench.feed.send(together(CNC, 0, spindle__vib_rms=3.0) + together(CNC, 5, spindle__vib_rms=3.0))
    await bench.step(7)
    alarm_id = await bench.one("select id from alarm")
    await bench.feed.send(together(CNC, 8, spindle__vib_rms=2.0))
    operator = await connect(bench.dsn, "operator")
    async with operator.transaction():
        assert await alarm.acknowledge(operator, alarm_id, "maria", "on my way", at(8)) is AlarmState.ACTIVE_ACK
        stepping = asyncio.create_task(bench.step(9.5))
        await wait_for(
            bench.dsn,
            "select count(*)::int from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
            expected=1,
        )
    await stepping
    await operator.close()
    row = await bench.one("select state, acked_by from alarm")
    assert row == {"state": "RECOVERING", "acked_by": "maria"}
    await bench.feed.send(together(CNC, 10, spindle__vib_rms=5.0) + together(CNC, 12, spindle__vib_rms=5.0))
    await bench.step(14)
    row = await bench.one("select state, severity, acked_by from alarm")
    assert row == {"state": "ACTIVE_UNACK", "severity": "high", "acked_by": None}


async def test_latched_alarm_is_closed_by_a_reset_only(database_dsn: str, tmp_path: Path):
    rules = RULES.replace("off_delay: 10s}\n  consequence", "off_delay: 10s, latch: true}\n  consequence")
    async with open_stage(database_dsn, tmp_path, rules=rules) as bench:
        await bench.feed.send(
            [row for n in range(30) for row in together(CNC, n, spindle__vib_rms=5.0 if n < 5 else 1.0)]
        )
        await bench.step(40)
        alarm_id, state = (await bench.one("select id, state from alarm")).values()
        assert state == "LATCHED"
        assert await alarm.acknowledge(bench.connection, alarm_id, "maria", "", at(41)) is AlarmState.LATCHED
        assert await alarm.reset(bench.connection, alarm_id, "maria", "bearing changed", at(42)) is AlarmState.NORMAL
        await bench.feed.send(together(CNC, 43, spindle__vib_rms=1.0))
        await bench.step(50)
        kinds = [
            row["kind"] for row in await bench.rows("select kind from alarm_event where kind <> 'QUALITY' order by id")
        ]
        assert kinds == ["RAISE", "RETURN", "LATCH", "ACK", "RESET", "CLEAR"]
        assert await alarm.reset(bench.connection, 10**9, "maria", "", at(42)) is None


def test_settings_for_the_bench_have_no_mistake(tmp_path: Path):
    from rules.rulebook import check_rules

    assert check_rules(settings_for("postgresql:///x", tmp_path)) == []
