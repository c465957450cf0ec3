"""What the relay has to tell people, as notifications: events that wait for them, and connectors in trouble.

Quiet hours, rates and the sending are those of all notifications (rules/actions/telling.py). What is of one topic is gathered: as long
as its message was not sent, more of the same raises its count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NamedTuple

from bridge.model.text import storable
from bridge.store.connector_condition import FRESH
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("relay_news")

_MOST_SUBJECT: Final = 500


class Recipient(NamedTuple):
    """A connector that reaches people, by the role that they are told in; the target empty where nobody has the role."""

    target: str
    role: str


@dataclass(frozen=True, slots=True)
class Pile:
    """News of one topic: `events` more of them. `subject` words it for a count."""

    topic: str
    events: int
    severity: str
    subject: Callable[[int], str]
    body: str
    subject_ref: str


class Rates(NamedTuple):
    """How long the same is gathered before it is told, and when the next message of a topic may follow."""

    gather: timedelta = timedelta(seconds=10)
    again: timedelta = timedelta(minutes=15)


async def parked(connection: Connection, ids: Sequence[int]) -> list[Row]:
    """Of these events id, kind and stream; but for notices of the relay's own news, of which it tells nothing more."""
    return await (await connection.execute(_QUERIES.parked, {"ids": list(ids)})).fetchall()


async def tell(connection: Connection, recipients: Collection[Recipient], pile: Pile, rates: Rates) -> None:
    """Tell every recipient, in the caller's transaction: by the message of the topic that waits, or by a new one.

    A caller with several topics tells them in the order of their names, so that two callers cannot wait for each other.
    """
    await connection.execute(_QUERIES.lock_topic, {"topic": pile.topic})
    for recipient in recipients:
        wanted = {"target": recipient.target, "topic": pile.topic, "again": rates.again}
        newest = await (await connection.execute(_QUERIES.newest, wanted)).fetchone()
        if newest is not None and newest["is_open"]:
            events = newest["events"] + pile.events
            added = {"id": newest["id"], "events": events, "subject": _subject(pile, events)}
            await connection.execute(_QUERIES.add, added)
        else:
            await _insert(connection, recipient, pile, newest, rates)


async def _insert(connection: Connection, recipient: Recipient, pile: Pile, newest: Row | None, rates: Rates) -> None:
    values = {
        "target": recipient.target,
        "role": recipient.role,
        "key": f"{pile.topic}|{0 if newest is None else newest['id']}",
        "severity": pile.severity,
        "subject": _subject(pile, pile.events),
        "body": storable(pile.body),
        "subject_ref": pile.subject_ref,
        "topic": pile.topic,
        "events": pile.events,
        "gather": rates.gather,
        "again_at": None if newest is None else newest["again_at"],
    }
    await connection.execute(_QUERIES.insert, values)


def _subject(pile: Pile, events: int) -> str:
    return storable(pile.subject(events))[:_MOST_SUBJECT]


async def lock_troubles(connection: Connection) -> bool:
    """Look after all connectors' troubles alone until the transaction ends; False where another relay does."""
    row = await (await connection.execute(_QUERIES.lock_troubles)).fetchone()
    return bool(row and row["taken"])


async def situations(connection: Connection, connectors: Sequence[str]) -> list[Row]:
    """How connectors are by what their relays said last, and the trouble that people were told of.

    connector, state, reason, is_proven, `lasts` (timedelta, how long it is so); id, kind, told_at and `told_since` (timedelta) of the
    open trouble, None where there is none.
    """
    wanted = {"connectors": list(connectors), "fresh": FRESH}
    return await (await connection.execute(_QUERIES.situations, wanted)).fetchall()


async def begin_trouble(connection: Connection, connector: str, kind: str, reason: str) -> int:
    """People are told of a connector's trouble; returns its number."""
    values = {"connector": connector, "kind": kind, "reason": storable(reason)}
    row = await (await connection.execute(_QUERIES.begin_trouble, values)).fetchone()
    assert row is not None, "the query returns one row"
    return int(row["id"])


async def end_trouble(connection: Connection, trouble_id: int) -> None:
    """It is over, or it is another one now."""
    await connection.execute(_QUERIES.end_trouble, {"id": trouble_id})
