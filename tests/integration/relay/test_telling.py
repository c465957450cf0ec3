"""People are told what needs them: parked events, a refused key, a system that fails for long; over the whole way to a mailbox."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bridge.config.settings import AppriseSettings
from bridge.config.settings.relay import RelaySettings
from bridge.erp import relay
from bridge.erp.relay.telling import Audience, tell_of_troubles, tell_parked, topic_of
from bridge.model.notice import Notice
from bridge.model.production import event_id
from bridge.store import outbox
from bridge.store.database import connected
from bridge.store.relay import Postponed
from rules.actions.telling import tell_new
from tests.erp_process import SimulatedErp
from tests.receivers import HttpReceiver, MailServer, listening
from tests.relay_process import AT, QUICK, drained, post, settings_of, until

ORDER = "MES-0001"
LATER = timedelta(minutes=1)  # than what is gathered


def people(url="json://127.0.0.1:1", name="mail", roles=("support",), **more):
    return AppriseSettings.model_validate({"type": "apprise", "name": name, "url": url, "roles": list(roles), **more})


def telling(dsn, *connectors, **said):
    table = RelaySettings.model_validate({"notify": ["support"], "reconcile": False, **said})
    return settings_of(dsn).model_copy(update={"relay": table, "connector": list(connectors)})


@asynccontextmanager
async def relaying(settings, rhythm=QUICK):
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(relay.run(settings, stop, rhythm))
        try:
            yield
        finally:
            stop.set()


async def news(connection):
    query = "select target, state, events, subject, body, subject_ref from notification order by id"
    return await (await connection.execute(query)).fetchall()


async def told(connection, count=1):
    """The news as soon as there are so many."""
    async with asyncio.timeout(30):
        while len(found := await news(connection)) < count:
            pass
    return found


async def test_events_parked_for_one_reason_are_one_mail_with_their_count(erp, connection, database_dsn):
    mail = MailServer()
    async with listening(mail):
        settings = telling(database_dsn, erp.settings(), people(mail.url))
        for number in range(1, 13):
            await post(connection, f"NOWHERE-{number}", [1])
        await post(connection, ORDER, [2])
        async with relaying(settings):
            await until(database_dsn, lambda rows: [row["state"] for row in rows].count("parked") == 12)
            assert await tell_new(connection, settings, datetime.now(UTC)) == 0, "what comes at one time is gathered"
            assert await tell_new(connection, settings, datetime.now(UTC) + LATER) == 1
            async with asyncio.timeout(20):
                letter = await mail.mails.get()
    assert letter["subject"].startswith("erp: 12 events wait for a person: ")
    assert "amor outbox show" in letter.get_body(("html", "plain")).get_content()
    assert mail.mails.empty()


async def test_later_ones_are_counted_into_the_next_mail_which_does_not_come_at_once(erp, connection, database_dsn):
    settings = telling(database_dsn, erp.settings(), people())
    async with relaying(settings):
        [first] = await post(connection, "NOWHERE-1", [1])
        await told(connection)
        assert await tell_new(connection, settings, datetime.now(UTC) + LATER) == 1
        await post(connection, "NOWHERE-2", [1])
        await told(connection, 2)
        await post(connection, "NOWHERE-3", [1])
        await until(database_dsn, lambda rows: [row["state"] for row in rows].count("parked") == 3)
        assert await tell_new(connection, settings, datetime.now(UTC) + LATER) == 0
        assert await tell_new(connection, settings, datetime.now(UTC) + timedelta(minutes=17)) == 1
    one, more = await news(connection)
    assert (one["events"], more["events"]) == (1, 2)
    assert more["subject"].startswith("erp: 2 events wait")
    assert f"The first is event {first} " in one["body"]


async def test_parking_and_its_news_are_one_transaction(connection, database_dsn):
    [event] = await post(connection, ORDER, [1])
    audience = Audience.of(telling(database_dsn, people()))
    parked = [Postponed(event, 1, "parked", timedelta(0), "closed period")]
    async with connected(database_dsn, "relay") as other:
        async with other.transaction(force_rollback=True):
            await tell_parked(audience, "erp", other, parked)
            assert [row["events"] for row in await news(other)] == [1]
        assert await news(connection) == []
        await tell_parked(audience, "erp", other, parked)
    assert [row["events"] for row in await news(connection)] == [1]


async def test_two_relays_that_park_at_the_same_time_count_into_one_message(connection, database_dsn):
    audience = Audience.of(telling(database_dsn, people(), people(name="chat")))
    ids = [(await post(connection, f"O-{number}", [1]))[0] for number in range(20)]

    async def park(mine):
        async with connected(database_dsn, "relay") as session:
            for each in mine:
                async with session.transaction():
                    row = Postponed(each, 1, "parked", timedelta(0), f"order O-{each} is closed")
                    await tell_parked(audience, "erp", session, [row])

    await asyncio.gather(park(ids[:10]), park(ids[10:]))
    assert [(row["target"], row["events"]) for row in await news(connection)] == [("mail", 20), ("chat", 20)]


async def test_message_that_is_added_to_just_now_is_sent_the_next_time_with_all_its_events(connection, database_dsn):
    settings = telling(database_dsn, people())
    later = datetime.now(UTC) + LATER
    numbers = [(await post(connection, f"O-{number}", [1]))[0] for number in range(2)]
    first, second = [Postponed(number, 1, "parked", timedelta(0), "closed period") for number in numbers]
    await tell_parked(Audience.of(settings), "erp", connection, [first])
    async with connected(database_dsn, "relay") as other:
        async with other.transaction():
            await tell_parked(Audience.of(settings), "erp", other, [second])
            assert await tell_new(connection, settings, later) == 0
        assert await tell_new(connection, settings, later) == 1
    query = "select payload ->> 'subject' as subject from outbox where kind = 'notice'"
    [message] = await (await connection.execute(query)).fetchall()
    assert message["subject"] == "erp: 2 events wait for a person: closed period"


async def test_connector_is_never_told_of_through_itself_and_its_news_of_others_make_no_news(connection, database_dsn):
    settings = telling(database_dsn, people(), people(name="chat"))
    audience = Audience.of(settings)

    async def notice(ref):
        said = Notice(event_id("t", ref, 1), "s", "b", "high", AT, {"ref": ref})
        return await outbox.insert(
            connection, connector="chat", stream=ref, kind="notice", payload=said.payload(), key=str(said.event_id)
        )

    alarm, own = await notice("alarm:7"), await notice("connector:erp")
    digest = Notice(event_id("t", "d", 1), "s", "b", "high", AT, {"refs": ["alarm:8", "connector:erp"]})
    gathered = await outbox.insert(
        connection, connector="chat", stream="d", kind="notice", payload=digest.payload(), key="d"
    )
    for event in (alarm, own, gathered):
        await tell_parked(audience, "chat", connection, [Postponed(event, 1, "parked", timedelta(0), "refused")])
    assert [(row["target"], row["events"]) for row in await news(connection)] == [("mail", 1)]


async def test_mailbox_that_refuses_the_news_leaves_them_parked_and_tells_nobody(erp, connection, database_dsn):
    hook = HttpReceiver()
    hook.statuses = [400]
    async with listening(hook):
        settings = telling(database_dsn, erp.settings(), people(hook.url))
        await post(connection, "NOWHERE-1", [1])
        async with relaying(settings):
            await told(connection)
            await tell_new(connection, settings, datetime.now(UTC) + LATER)
            await until(database_dsn, lambda rows: [row["state"] for row in rows] == ["parked", "parked"])
    assert len(await news(connection)) == 1


async def test_refused_key_is_told_at_once_and_that_it_is_well_again_once(erp, connection, database_dsn):
    mail = MailServer()
    async with listening(mail):
        await post(connection, ORDER, [2])
        refused = telling(database_dsn, erp.settings(api_key="wrong"), people(mail.url))
        async with relaying(refused):
            await told(connection)
            await tell_new(connection, refused, datetime.now(UTC))
            async with asyncio.timeout(20):
                letter = await mail.mails.get()
        assert letter["subject"] == "erp refuses our key"
        mended = telling(database_dsn, erp.settings(), people(mail.url))
        audience = Audience.of(mended)
        async with relaying(mended):
            await drained(database_dsn)
            await proven(connection)
            await tell_of_troubles(audience, ["erp", "mail"], connection)
            assert len(await news(connection)) == 1, "it may refuse again in a moment"
            for _ in range(2):
                await tell_of_troubles(replace(audience, well_after=timedelta(0)), ["erp", "mail"], connection)
    assert [row["subject"] for row in await news(connection)] == ["erp refuses our key", "erp works again"]


async def proven(connection):
    query = "select 1 from connector_condition where connector = 'erp' and state = 'works' and is_proven"
    async with asyncio.timeout(20):
        while not await (await connection.execute(query)).fetchone():
            pass


async def test_system_that_is_away_is_told_of_after_a_while_and_once_by_all_relays(connection, database_dsn, tmp_path):
    away = SimulatedErp(tmp_path / "away")  # nothing listens there
    for number in range(1, 5):
        await post(connection, f"MES-{number:04}", [1])
    patient = telling(database_dsn, away.settings(), people())
    async with relaying(patient), relaying(telling(database_dsn, away.settings(), people(), notify_after="0 s")):
        [row] = await told(connection)
        await tell_of_troubles(Audience.of(patient), ["erp"], connection)
    assert (row["target"], row["subject_ref"]) == ("mail", "connector:erp")
    assert row["subject"].startswith("erp has failed for less than a minute")
    assert len(await news(connection)) == 1
    await connection.execute("delete from connector_trouble")
    await connection.execute("update connector_condition set since = now() - interval '9 minutes'")
    await tell_of_troubles(Audience.of(patient), ["erp"], connection)
    assert len(await news(connection)) == 1, "it is not so long yet"


@pytest.mark.parametrize(
    ("state", "minutes", "is_proven", "told_before", "subject"),
    [
        ("refused", 0, False, None, "erp refuses our key"),
        ("refused", 0, False, "refused", None),
        ("refused", 0, False, "failing", "erp refuses our key"),
        ("failing", 9, False, None, None),
        ("failing", 75, False, None, "erp has failed for 1 h 15 min"),
        ("failing", 75, False, "failing", None),
        ("works", 2, True, "failing", "erp works again"),
        ("works", 2, False, "failing", None),
        ("works", 0, True, "refused", None),
        ("works", 2, True, None, None),
    ],
    ids=[
        "key refused", "told already", "another trouble", "not for long", "for long", "told of it", "well again", "nothing taken yet",
        "not for a minute", "was never ill",
    ],
)  # fmt: skip
async def test_what_is_told_of_a_connector(connection, database_dsn, state, minutes, is_proven, told_before, subject):
    await connection.execute(
        "insert into connector_condition (connector, relay, state, reason, since, is_proven)"
        " values ('erp', gen_random_uuid(), %s, 'away', now() - make_interval(mins => %s), %s)",
        (state, minutes, is_proven),
    )
    if told_before:
        await connection.execute(
            "insert into connector_trouble (connector, kind, reason) values ('erp', %s, 'x')", (told_before,)
        )
    for _ in range(2):
        await tell_of_troubles(Audience.of(telling(database_dsn, people())), ["erp"], connection)
    assert [row["subject"] for row in await news(connection)] == ([subject] if subject else [])


async def test_role_that_nobody_has_is_kept_as_told_to_nobody(erp, connection, database_dsn):
    async with relaying(telling(database_dsn, erp.settings())):
        await post(connection, "NOWHERE-1", [1])
        await post(connection, "NOWHERE-2", [1])
        await until(database_dsn, lambda rows: all(row["state"] == "parked" for row in rows))
    assert [(row["target"], row["state"], row["events"]) for row in await news(connection)] == [("", "nobody", 2)]


def test_reasons_that_differ_in_numbers_only_are_one():
    one, other = (
        topic_of("erp", "order MES-0007 is closed: 12 pieces"),
        topic_of("erp", "order MES-8 is closed: 3 pieces"),
    )
    assert one == other
    assert topic_of("erp", "item HSG is unknown") != one
    assert topic_of("wms", "order MES-0007 is closed: 12 pieces") != one
