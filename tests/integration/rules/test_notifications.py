"""Notifications over a real database, the real relay and receivers that really listen."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from bridge.config.settings import AppriseSettings, Settings
from bridge.erp import relay
from bridge.erp.notify.secrets import hidden, secrets_of
from bridge.erp.webhook import Webhook
from bridge.erp.webhook.envelope import envelope
from bridge.model.alarm import Severity
from bridge.model.notice import Notice
from bridge.model.production import EventKind, event_id
from bridge.store import notification
from bridge.store.database import connected
from bridge.store.notification import News
from rules.actions.notify import tell
from rules.actions.quiet import QUIET, RATE, Hold, decide, quiet_until
from rules.actions.telling import tell_new
from tests.receivers import HttpReceiver, MailServer, listening
from tests.relay_process import QUICK

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
NIGHT = [{"from": "22:00", "to": "06:00"}]


def target(url="json://127.0.0.1:1", name="shift", roles=("shift_lead",), **more):
    return {"type": "apprise", "name": name, "url": url, "roles": list(roles), **more}


def settings_of(dsn, *targets):
    return Settings.model_validate({"plant": {"name": "test"}, "database": {"dsn": dsn}, "connector": list(targets)})


def news(key, severity="high", subject="cnc1: vibration"):
    return News(key, severity, subject, "spindle.vib_rms 4.9 mm/s: v > 4.5", "alarm:7", NOW)


@asynccontextmanager
async def relaying(settings):
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run(settings, stop, QUICK))
        try:
            yield
        finally:
            stop.set()


async def states(connection):
    rows = await connection.execute("select state, held_for from notification order by id")
    return [(row["state"], row["held_for"]) for row in await rows.fetchall()]


async def until_done(connection, rows):
    async with asyncio.timeout(20):
        while True:
            found = await (await connection.execute("select count(*) as n from outbox where state = 'done'")).fetchone()
            if found["n"] >= rows:
                return
            await asyncio.sleep(0.02)


# --- the whole way ------------------------------------------------------------------------------------------------------


async def test_news_reach_a_mailbox_and_a_webhook_through_the_outbox(connection, database_dsn):
    mail, hook = MailServer(), HttpReceiver()
    async with listening(mail), listening(hook):
        settings = settings_of(
            database_dsn, target(mail.url, "mail"), target(hook.url, "chat", roles=["shift_lead", "maintenance"])
        )
        await tell(connection, settings, ["shift_lead", "maintenance"], news("a"))
        async with relaying(settings):
            assert await tell_new(connection, settings, NOW) == 2
            async with asyncio.timeout(20):
                letter, message = await mail.mails.get(), await hook.messages.get()
            await until_done(connection, 2)
    assert letter["subject"] == "cnc1: vibration"
    assert "spindle.vib_rms 4.9 mm/s" in letter.get_body(("html", "plain")).get_content()
    assert (message["title"], message["type"]) == ("cnc1: vibration", "failure")
    assert mail.mails.empty()
    assert hook.requests == 1, "a target that serves two of the roles is told once"
    assert {row["state"] for row in await notification.recent(connection)} == {"queued"}


async def test_service_that_is_busy_is_tried_again_until_it_takes_the_message(connection, database_dsn):
    hook = HttpReceiver()
    hook.statuses = [503, 429, 500]
    async with listening(hook):
        settings = settings_of(database_dsn, target(hook.url))
        await tell(connection, settings, ["shift_lead"], news("a"))
        async with relaying(settings):
            await tell_new(connection, settings, NOW)
            await until_done(connection, 1)
    assert hook.requests == 4
    rows = await connection.execute("select outcome from outbox_attempt where step = 'send' order by id")
    assert [row["outcome"] for row in await rows.fetchall()] == ["transient", "transient", "transient", "ok"]


async def test_refused_message_waits_for_a_person_and_keeps_no_other_waiting(connection, database_dsn):
    hook = HttpReceiver()
    hook.statuses = [400]
    async with listening(hook):
        settings = settings_of(database_dsn, target(hook.url, max_in_flight=1))
        await tell(connection, settings, ["shift_lead"], news("a"))
        await tell_new(connection, settings, NOW)
        await tell(connection, settings, ["shift_lead"], news("b", subject="second"))
        async with relaying(settings):
            await hook.asked.wait()
            await tell_new(connection, settings, NOW)
            async with asyncio.timeout(20):
                message = await hook.messages.get()
            await until_done(connection, 1)
    assert message["title"] == "second"
    parked = await (await connection.execute("select last_error from outbox where state = 'parked'")).fetchone()
    assert "did not take the message" in parked["last_error"]


async def test_secrets_of_an_address_stand_nowhere_though_its_service_fails(connection, database_dsn, capfd):
    mail, hook = MailServer(), HttpReceiver()
    mail.refuses = "550 no such mailbox: amor:a-secret-password"
    hook.statuses = [401, 401, 401, 401]
    with structlog.testing.capture_logs() as logs:
        async with listening(mail), listening(hook):
            settings = settings_of(database_dsn, target(mail.url, "mail"), target(hook.url, "chat"))
            await tell(connection, settings, ["shift_lead"], news("a"))
            async with relaying(settings):
                await tell_new(connection, settings, NOW)
                async with asyncio.timeout(20):
                    while True:
                        rows = await (
                            await connection.execute("select distinct outbox_id from outbox_attempt")
                        ).fetchall()
                        if len(rows) == 2:
                            break
                        await asyncio.sleep(0.02)
    written = str(logs) + "".join(capfd.readouterr())
    for table in ("outbox", "outbox_attempt", "notification"):
        rows = await (await connection.execute(f"select t::text as text from {table} as t")).fetchall()
        written += "".join(row["text"] for row in rows)
    assert hook.token not in written
    assert mail.password not in written


def test_what_is_hidden_of_an_address():
    secrets = secrets_of("mailtos://olga:p%40ssword@mail.example.com?to=a@b.example&key=abcdef")
    assert {"olga", "p@ssword", "p%40ssword", "abcdef"} <= set(secrets)
    assert hidden("olga:p@ssword on mail.example.com", secrets) == "***:*** on mail.example.com"


# --- who is told when ---------------------------------------------------------------------------------------------------


async def test_same_news_are_told_once_however_often_they_are_written(connection, database_dsn):
    settings = settings_of(database_dsn, target())
    for _ in range(3):
        await tell(connection, settings, ["shift_lead"], news("a"))
        await tell_new(connection, settings, NOW)
    assert await states(connection) == [("queued", "")]
    assert (await (await connection.execute("select count(*) as n from outbox")).fetchone())["n"] == 1


async def test_role_that_nobody_has_is_kept_and_logged(connection, database_dsn):
    with structlog.testing.capture_logs() as logs:
        await tell(connection, settings_of(database_dsn), ["plant_manager"], news("a"))
    assert await states(connection) == [("nobody", "")]
    assert logs[0]["role"] == "plant_manager"


async def test_quiet_hours_hold_back_what_is_not_critical_and_a_digest_follows_in_the_morning(connection, database_dsn):
    settings = settings_of(database_dsn, target(quiet=NIGHT, time_zone="Europe/Berlin"))
    midnight = datetime(2026, 7, 1, 22, tzinfo=UTC)  # 00:00 in Berlin
    for key, severity in (("a", "high"), ("b", "critical"), ("c", "low")):
        await tell(connection, settings, ["shift_lead"], news(key, severity, subject=f"news {key}"))
    assert await tell_new(connection, settings, midnight) == 1
    assert await states(connection) == [("held", QUIET), ("queued", ""), ("held", QUIET)]
    assert await tell_new(connection, settings, midnight + 5 * HOUR) == 0
    assert await tell_new(connection, settings, midnight + 6 * HOUR) == 1
    assert {state for state, _ in await states(connection)} == {"digested", "queued"}
    row = await (await connection.execute("select payload from outbox order by id desc limit 1")).fetchone()
    assert row["payload"]["subject"] == "2 messages, the worst HIGH"
    assert "news a" in row["payload"]["body"]
    assert "news c" in row["payload"]["body"]


async def test_rate_holds_back_what_is_above_it_and_the_digest_counts_as_one_message(connection, database_dsn):
    settings = settings_of(database_dsn, target(rate=3, per="1 h"))
    for number in range(100):
        await tell(connection, settings, ["shift_lead"], news(str(number), subject=f"news {number}"))
    assert await tell_new(connection, settings, NOW) == 3
    assert (await states(connection)).count(("held", RATE)) == 97
    assert await tell_new(connection, settings, NOW + HOUR - timedelta(seconds=1)) == 0
    assert await tell_new(connection, settings, NOW + HOUR) == 1
    assert {state for state, _ in await states(connection)} == {"queued", "digested"}
    row = await (await connection.execute("select payload from outbox order by id desc limit 1")).fetchone()
    assert row["payload"]["subject"].startswith("97 messages")
    assert row["payload"]["body"].endswith("... and 47 more")
    assert len(await notification.queued_since(connection, "shift", NOW)) == 1


async def test_target_that_is_no_longer_configured_keeps_nothing_waiting(connection, database_dsn):
    await tell(connection, settings_of(database_dsn, target(name="old")), ["shift_lead"], news("a"))
    with structlog.testing.capture_logs():
        assert await tell_new(connection, settings_of(database_dsn, target()), NOW) == 0
    assert await states(connection) == [("nobody", "the target is no longer configured")]
    assert await notification.open_targets(connection, NOW) == []


async def test_two_processes_tell_each_message_once_and_keep_the_rate(connection, database_dsn):
    settings = settings_of(database_dsn, target(rate=5))
    for number in range(40):
        await tell(connection, settings, ["shift_lead"], news(str(number)))
    async with connected(database_dsn, "other") as other:
        for _ in range(3):
            await asyncio.gather(tell_new(connection, settings, NOW), tell_new(other, settings, NOW))
    assert (await (await connection.execute("select count(*) as n from outbox")).fetchone())["n"] == 5


# --- pure ---------------------------------------------------------------------------------------------------------------


def table(**more):
    return AppriseSettings.model_validate(target(**more))


@pytest.mark.parametrize(
    ("utc", "until"),
    [
        (datetime(2026, 7, 1, 19, 59, tzinfo=UTC), None),
        (datetime(2026, 7, 1, 20, 0, tzinfo=UTC), datetime(2026, 7, 2, 4, 0, tzinfo=UTC)),
        (datetime(2026, 7, 2, 3, 59, tzinfo=UTC), datetime(2026, 7, 2, 4, 0, tzinfo=UTC)),
        (datetime(2026, 7, 2, 4, 0, tzinfo=UTC), None),
        (datetime(2026, 10, 24, 21, 0, tzinfo=UTC), datetime(2026, 10, 25, 5, 0, tzinfo=UTC)),  # the longer night
    ],
)
def test_quiet_hours_are_those_of_the_targets_zone(utc, until):
    assert quiet_until(table(quiet=NIGHT, time_zone="Europe/Berlin"), utc) == until


def test_quiet_times_that_touch_are_one():
    spans = [*NIGHT, {"from": "06:00", "to": "09:00", "days": ["sat", "sun"]}]
    saturday = datetime(2026, 7, 4, 2, tzinfo=UTC)
    assert quiet_until(table(quiet=spans), saturday) == datetime(2026, 7, 4, 9, tzinfo=UTC)


def test_rate_looks_back_over_its_span_only():
    shift = table(rate=2, per="1 h")
    sent = [NOW - 3 * HOUR, NOW - timedelta(minutes=50), NOW - timedelta(minutes=10)]
    assert decide(shift, Severity.CRITICAL, NOW, sent) == Hold(RATE, NOW + timedelta(minutes=10))
    assert decide(shift, Severity.CRITICAL, NOW, sent[:2]) is None


def test_what_passes_quiet_hours_is_a_matter_of_the_target():
    midnight = datetime(2026, 7, 1, 23, tzinfo=UTC)
    assert decide(table(quiet=NIGHT, passes="medium"), Severity.MEDIUM, midnight, []) is None
    assert decide(table(quiet=NIGHT, passes="medium"), Severity.LOW, midnight, []).why == QUIET


def test_alarm_is_an_event_of_a_webhook():
    notice = Notice(
        event_id("t", "n", 1), "cnc1: vibration", "4.9", "high", NOW, {"equipment": "acme/cnc1", "alarm": 7}
    )
    sent = envelope(notice, "plant")
    assert (sent["type"], sent["subject"], sent["id"]) == ("alarm.event", "acme/cnc1", str(notice.event_id))
    assert sent["data"]["facts"]["alarm"] == 7
    assert EventKind.NOTICE in Webhook.kinds
