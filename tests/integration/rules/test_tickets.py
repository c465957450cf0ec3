"""Tickets over a real database: one of each failure whatever happens at once, reopening, clocks that a kill does not stop."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from bridge.config.settings import Settings
from bridge.model.equipment import EquipmentPath
from bridge.model.ticket import NotAllowed, Step, TicketState
from bridge.store import notification, ticket, ticket_clock, ticket_life
from bridge.store.database import connect, connected
from bridge.store.equipment import ensure
from bridge.store.ticket import Change
from bridge.store.ticket_life import TicketChanged
from rules.tickets import clocks
from tests.program import Program

AT = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
DONE = {
    "found_mode": "VIB", "mechanism": "2.4", "cause": "3.4", "action": "1", "downtime": 2 * HOUR, "was_true": "true",
}  # fmt: skip
WAY = [Step.TRIAGE, Step.APPROVE, Step.START]


def settings_of(dsn, **tables):
    return Settings.model_validate({"plant": {"name": "test"}, "database": {"dsn": dsn}, **tables})


PROMISES = {
    "tickets": {
        "sla": {
            "high": {"response": "15 min", "restore": "4 h"},
            "critical": {"response": "5 min", "restore": "1 h"},
        },
        "escalation": [
            {"clock": "response", "at": 1, "to": ["shift_lead"]},
            {"clock": "restore", "at": 0.75, "to": ["maintenance"]},
            {"clock": "restore", "at": 2, "to": ["plant_manager"], "from": "high"},
        ],
    },
    "connector": [
        {
            "type": "apprise",
            "name": "chat",
            "url": "json://127.0.0.1:1",
            "roles": ["shift_lead", "maintenance", "plant_manager"],
        }
    ],
}


@pytest.fixture
async def machine(connection):
    return await ensure(connection, EquipmentPath.parse("acme/dortmund/machining/line1/cnc1"))


async def alarm_of(connection, machine, rule="r", severity="high", at=AT):
    row = await connection.execute(
        "insert into alarm (rule_id, rule_version, equipment_id, severity, state, message, response, raised_at)"
        " values (%s, 1, %s, %s, 'ACTIVE_UNACK', 'too much', 'inspect', %s) returning id",
        (rule, machine, severity, at),
    )
    return (await row.fetchone())["id"]


async def report(connection, machine, alarm, at=AT, *, priority="high", within=24 * HOUR):
    return await ticket.open_or_recur(
        connection, equipment_id=machine, failure_mode="VIB", priority=priority, title="VIB on cnc1", description="",
        alarm_id=alarm, at=at, reopen_within=within,
    )  # fmt: skip


async def state_of(connection, ticket_id):
    return await ticket.lock(connection, ticket_id)


async def step(connection, settings, ticket_id, what, *, now=AT + HOUR, **values):
    row = await state_of(connection, ticket_id)
    return await ticket_life.take(
        connection, settings.tickets, ticket_id, what, seen=row["revision"], change=Change(values), actor="olga",
        note="", now=now,
    )  # fmt: skip


async def finish(connection, settings, ticket_id, restarted_at):
    for what in WAY:
        await step(connection, settings, ticket_id, what, now=restarted_at)
    await step(connection, settings, ticket_id, Step.FINISH, now=restarted_at, restarted_at=restarted_at, **DONE)


async def kinds(connection, ticket_id):
    return [event["kind"] for event in await ticket.events(connection, ticket_id)]


# --- one ticket a failure ---------------------------------------------------------------------------------------------------


async def test_hundred_triggers_at_once_make_one_ticket_with_hundred_occurrences(connection, machine, database_dsn):
    alarms = [await alarm_of(connection, machine, f"rule-{number}") for number in range(100)]
    connections = await asyncio.gather(*(connect(database_dsn, "trigger") for _ in range(50)))
    begin = asyncio.Event()

    async def trigger(which, own):
        await begin.wait()
        for alarm in alarms[which::50]:
            await report(own, machine, alarm)

    triggers = [asyncio.create_task(trigger(which, own)) for which, own in enumerate(connections)]
    begin.set()
    await asyncio.gather(*triggers)
    for own in connections:
        await own.close()
    rows = await (await connection.execute("select id, occurrences from ticket")).fetchall()
    assert [row["occurrences"] for row in rows] == [100]
    found = await (await connection.execute("select count(*) as n from ticket_occurrence")).fetchone()
    assert found["n"] == 100
    assert (await kinds(connection, rows[0]["id"])).count("opened") == 1


async def test_same_alarm_told_again_is_no_other_occurrence(connection, machine):
    alarm = await alarm_of(connection, machine)
    opened = [await report(connection, machine, alarm) for _ in range(3)]
    assert [each.is_new for each in opened] == [True, False, False]
    assert (await state_of(connection, opened[0].id))["occurrences"] == 1


async def test_priority_rises_and_never_falls(connection, machine):
    opened = await report(connection, machine, await alarm_of(connection, machine, "a"), priority="medium")
    assert (await report(connection, machine, await alarm_of(connection, machine, "b"), priority="critical")).has_risen
    assert not (await report(connection, machine, await alarm_of(connection, machine, "c"), priority="low")).has_risen
    await ticket.raise_priority(connection, equipment_id=machine, failure_mode="VIB", priority="high", at=AT)
    assert (await state_of(connection, opened.id))["priority"] == "critical"


# --- the life -----------------------------------------------------------------------------------------------------------------


async def test_done_without_its_codes_is_refused_by_the_database_itself(connection, machine):
    opened = await report(connection, machine, await alarm_of(connection, machine))
    with pytest.raises(psycopg.errors.CheckViolation):
        await connection.execute("update ticket set state = 'DONE' where id = %s", (opened.id,))


async def test_step_on_a_ticket_that_changed_meanwhile_is_refused(connection, machine, database_dsn):
    settings = settings_of(database_dsn)
    opened = await report(connection, machine, await alarm_of(connection, machine))
    seen = (await state_of(connection, opened.id))["revision"]
    await report(connection, machine, await alarm_of(connection, machine, "other"))
    with pytest.raises(TicketChanged, match="it is NEW"):
        await ticket_life.take(
            connection,
            settings.tickets,
            opened.id,
            Step.TRIAGE,
            seen=seen,
            change=Change(),
            actor="olga",
            note="",
            now=AT,
        )


async def test_of_two_people_who_take_the_same_step_one_is_told(connection, machine, database_dsn):
    settings = settings_of(database_dsn)
    opened = await report(connection, machine, await alarm_of(connection, machine))
    seen = (await state_of(connection, opened.id))["revision"]

    async def triage(name):
        async with connected(database_dsn, name) as own:
            return await ticket_life.take(
                own, settings.tickets, opened.id, Step.TRIAGE, seen=seen, change=Change(), actor=name, note="", now=AT
            )

    results = await asyncio.gather(triage("olga"), triage("vera"), return_exceptions=True)
    assert {type(result) for result in results} == {TicketState, TicketChanged}


async def test_every_step_is_in_the_history_and_in_the_audit_trail(connection, machine, database_dsn):
    settings = settings_of(database_dsn)
    opened = await report(connection, machine, await alarm_of(connection, machine))
    await finish(connection, settings, opened.id, AT + HOUR)
    assert await kinds(connection, opened.id) == ["opened", "triage", "approve", "start", "finish"]
    rows = await (await connection.execute("select action, detail from audit order by id")).fetchall()
    assert [row["action"] for row in rows] == ["ticket: triage", "ticket: approve", "ticket: start", "ticket: finish"]
    assert rows[-1]["detail"] | {"from": "IN_PROGRESS", "to": "DONE", "mechanism": "2.4"} == rows[-1]["detail"]


async def test_verdict_of_a_ticket_is_that_of_all_its_alarms(connection, machine, database_dsn):
    settings = settings_of(database_dsn)
    alarms = [await alarm_of(connection, machine, rule) for rule in ("a", "b")]
    for alarm in alarms:
        opened = await report(connection, machine, alarm)
    await finish(connection, settings, opened.id, AT + HOUR)
    rows = await (await connection.execute("select alarm_id, verdict from alarm_verdict order by alarm_id")).fetchall()
    assert [(row["alarm_id"], row["verdict"]) for row in rows] == [(alarm, "true") for alarm in alarms]


@pytest.mark.parametrize("state", ["DONE", "VERIFIED", "CLOSED"])
async def test_alarm_soon_after_the_restart_reopens_the_ticket(connection, machine, database_dsn, state):
    settings = settings_of(database_dsn)
    opened = await report(connection, machine, await alarm_of(connection, machine, "a"))
    await finish(connection, settings, opened.id, AT + HOUR)
    for what in {"DONE": [], "VERIFIED": [Step.VERIFY], "CLOSED": [Step.VERIFY, Step.CLOSE]}[state]:
        await step(connection, settings, opened.id, what)
    back = await report(connection, machine, await alarm_of(connection, machine, "b"), AT + 25 * HOUR)
    assert (back.id, back.is_reopened, back.round) == (opened.id, True, 2)
    row = await state_of(connection, opened.id)
    assert (row["state"], row["occurrences"]) == ("REOPENED", 2)
    assert (await kinds(connection, opened.id))[-1] == "reopened"


@pytest.mark.parametrize("close", [False, True])
async def test_alarm_long_after_the_restart_is_another_failure(connection, machine, database_dsn, close):
    settings = settings_of(database_dsn)
    opened = await report(connection, machine, await alarm_of(connection, machine, "a"))
    await finish(connection, settings, opened.id, AT + HOUR)
    if close:
        await step(connection, settings, opened.id, Step.VERIFY)
        await step(connection, settings, opened.id, Step.CLOSE)
    later = await report(connection, machine, await alarm_of(connection, machine, "b"), AT + 25 * HOUR + MINUTE)
    assert later.is_new
    assert later.id != opened.id
    assert (await state_of(connection, opened.id))["state"] == "CLOSED"


async def test_rejected_ticket_is_over_and_the_next_alarm_opens_another(connection, machine, database_dsn):
    settings = settings_of(database_dsn)
    opened = await report(connection, machine, await alarm_of(connection, machine, "a"))
    await step(connection, settings, opened.id, Step.REJECT, reason="the sensor was being calibrated")
    assert (await report(connection, machine, await alarm_of(connection, machine, "b"))).is_new
    with pytest.raises(NotAllowed):
        await step(connection, settings, opened.id, Step.TRIAGE)


# --- promises -------------------------------------------------------------------------------------------------------------------


async def promised(connection, machine, settings, priority="high"):
    opened = await report(connection, machine, await alarm_of(connection, machine), priority=priority)
    await ticket_clock.start(connection, settings.tickets, opened.id, 1, priority, AT)
    return opened.id


async def clock_of(connection, ticket_id, kind):
    return next(row for row in await ticket_clock.of_ticket(connection, ticket_id) if row["kind"] == kind)


async def told(connection):
    return [row["subject"] for row in reversed(await notification.recent(connection))]


async def test_promise_that_is_broken_is_told_once_to_each_role_at_its_time(connection, machine, database_dsn):
    settings = settings_of(database_dsn, **PROMISES)
    ticket_id = await promised(connection, machine, settings)
    for now in (AT, AT + 16 * MINUTE, AT + 3 * HOUR, AT + 3 * HOUR, AT + 9 * HOUR, AT + 9 * HOUR):
        await connection.execute("update ticket_clock set next_at = now() where next_at is not null")
        await clocks.look(connection, settings, now)
    assert await told(connection) == [
        f"Ticket {ticket_id}: the response promise is broken, 100% of 15 min used",
        f"Ticket {ticket_id}: the restore promise is running out, 75% of 4 h used",
        f"Ticket {ticket_id}: the restore promise is broken, 200% of 4 h used",
    ]
    restore = await clock_of(connection, ticket_id, "restore")
    assert (restore["warned_at"], restore["breached_at"]) == (AT + 3 * HOUR, AT + 4 * HOUR)
    assert (await kinds(connection, ticket_id)).count("sla_breach") == 2


async def test_time_on_hold_does_not_count(connection, machine, database_dsn):
    settings = settings_of(database_dsn, **PROMISES)
    ticket_id = await promised(connection, machine, settings)
    for what in WAY:
        await step(connection, settings, ticket_id, what, now=AT + 5 * MINUTE)
    await step(connection, settings, ticket_id, Step.HOLD, now=AT + HOUR, reason="spare part is ordered")
    await clocks.look(connection, settings, AT + 10 * HOUR)
    assert (await clock_of(connection, ticket_id, "restore"))["due_at"] is None
    await step(connection, settings, ticket_id, Step.RESUME, now=AT + 11 * HOUR)
    await clocks.look(connection, settings, AT + 11 * HOUR)
    restore = await clock_of(connection, ticket_id, "restore")
    assert (restore["due_at"], restore["breached_at"]) == (AT + 14 * HOUR, None)
    response = await clock_of(connection, ticket_id, "response")
    assert (response["stopped_at"], response["breached_at"]) == (AT + 5 * MINUTE, None)


async def test_promise_kept_is_kept_though_nobody_looked_until_long_after(connection, machine, database_dsn):
    settings = settings_of(database_dsn, **PROMISES)
    ticket_id = await promised(connection, machine, settings)
    await finish(connection, settings, ticket_id, AT + 10 * MINUTE)
    await clocks.look(connection, settings, AT + 40 * HOUR)
    assert [row["breached_at"] for row in await ticket_clock.of_ticket(connection, ticket_id)] == [None, None]
    assert await told(connection) == []
    rows = await ticket_clock.kept(connection, AT, AT + HOUR)
    assert [(row["kind"], row["clocks"], row["kept"]) for row in rows] == [("response", 1, 1), ("restore", 1, 1)]


async def test_priority_that_rises_tightens_the_promise_from_its_start(connection, machine, database_dsn):
    settings = settings_of(database_dsn, **PROMISES)
    ticket_id = await promised(connection, machine, settings)
    await ticket.raise_priority(connection, equipment_id=machine, failure_mode="VIB", priority="critical", at=AT)
    await ticket_clock.retarget(connection, settings.tickets, ticket_id, 1, "critical", AT)
    await clocks.look(connection, settings, AT + 2 * HOUR)
    restore = await clock_of(connection, ticket_id, "restore")
    assert restore["breached_at"] == AT + HOUR


async def test_two_processes_judge_each_clock_once(connection, machine, database_dsn):
    settings = settings_of(database_dsn, **PROMISES)
    await promised(connection, machine, settings)
    async with connected(database_dsn, "other") as other:
        looked = await asyncio.gather(
            clocks.look(connection, settings, AT + 9 * HOUR), clocks.look(other, settings, AT + 9 * HOUR)
        )
    assert sum(looked) == 2
    assert len(await told(connection)) == 3


async def test_clock_survives_the_kill_of_the_process_that_was_judging_it(connection, machine, database_dsn):
    settings = settings_of(database_dsn, **PROMISES)
    ticket_id = await promised(connection, machine, settings)
    program = (
        "import asyncio, os, signal\n"
        "from datetime import datetime\n"
        "from bridge.store import ticket_clock\n"
        "from bridge.store.database import connected\n"
        "from rules.tickets import clocks\n"
        "from tests.integration.rules.test_tickets import PROMISES, settings_of\n"
        "async def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)\n"
        "ticket_clock.judged = die\n"
        "async def main():\n"
        f"    async with connected({database_dsn!r}, 'dies') as connection:\n"
        f"        settings = settings_of({database_dsn!r}, **PROMISES)\n"
        f"        await clocks.look(connection, settings, datetime.fromisoformat({(AT + 9 * HOUR).isoformat()!r}))\n"
        "asyncio.run(main())\n"
    )
    assert await Program("-c", program).ended() == -9
    assert await told(connection) == []
    assert await clocks.look(connection, settings, AT + 9 * HOUR) == 2
    assert len(await told(connection)) == 3
    assert (await kinds(connection, ticket_id)).count("sla_breach") == 2
