"""People are told what needs them: events that were parked, a refused key, a system that fails for long and is well again.

What is told is a notification like any other: the rules process sends it on as quiet hours and rates allow. An event that is parked is
told of in the transaction that parks it; a hundred for one reason are one message with a count. The relay never tells of a connector
through that connector, nor of its own messages that could not be delivered.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog

from bridge.config.settings import Settings
from bridge.config.settings.notify import targets_of
from bridge.model.alarm import Severity
from bridge.store import relay_news
from bridge.store.database import Connection, Row
from bridge.store.relay import Postponed
from bridge.store.relay_news import Pile, Rates, Recipient

log = structlog.get_logger()

_WITH_A_DIGIT: Final = re.compile(r"\S*\d\S*")
_MOST_REASON: Final = 300  # characters of it in a subject


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom the relay tells: by role the connectors that reach its people. `after`: a system that fails is told of after so long.

    `well_after`: a connector counts as well again when it has worked for so long. One of which one user is refused what another may (the
    orders are read, the postings are not taken) works and does not, again and again.
    """

    targets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    severity: Severity = Severity.HIGH
    after: timedelta = timedelta(minutes=10)
    well_after: timedelta = timedelta(minutes=1)
    rates: Rates = field(default_factory=Rates)

    @classmethod
    def of(cls, settings: Settings) -> Audience:
        """As the table [relay] says."""
        table = settings.relay
        targets = {role: targets_of(settings.connector, role) for role in table.notify}
        return cls(targets, table.notify_severity, table.notify_after)

    def but(self, connector: str) -> list[Recipient]:
        """Who is told of a connector, each target once and never through the connector itself."""
        found: dict[str, str] = {}
        for role, targets in self.targets.items():
            for target in [each for each in targets if each != connector] or [""]:
                found.setdefault(target, role)
        return [Recipient(target, role) for target, role in found.items()]


async def tell_parked(audience: Audience, connector: str, connection: Connection, parked: Sequence[Postponed]) -> None:
    """Tell of events that this transaction parked, those of one reason as one."""
    recipients = audience.but(connector)
    if not recipients or not parked:
        return
    reasons = {row.id: row.error for row in parked}
    piles: dict[str, list[Row]] = {}
    for event in await relay_news.parked(connection, list(reasons)):
        piles.setdefault(topic_of(connector, reasons[event["id"]]), []).append(event)
    for topic in sorted(piles):
        events = piles[topic]
        pile = _parked(audience, connector, topic, reasons[events[0]["id"]], events)
        await relay_news.tell(connection, recipients, pile, audience.rates)


def topic_of(connector: str, reason: str) -> str:
    """The same for events that wait for one reason, whatever numbers it names."""
    alike = _WITH_A_DIGIT.sub("#", reason).casefold()
    return f"parked|{connector}|{hashlib.sha256(alike.encode(errors='replace')).hexdigest()[:16]}"


def _parked(audience: Audience, connector: str, topic: str, reason: str, events: Sequence[Row]) -> Pile:
    def subject(count: int) -> str:
        waiting = "an event waits" if count == 1 else f"{count} events wait"
        return f"{connector}: {waiting} for a person: {reason[:_MOST_REASON]}"

    first = events[0]
    body = (
        f"{reason}\n\nThe first is event {first['id']} ({first['kind']}, {first['stream']}). What stands behind it in its stream waits as "
        f"well. Mend it, then replay it: `amor outbox show {first['id']}`, or the control tower's page /erp?event={first['id']}."
    )
    return Pile(topic, len(events), str(audience.severity), subject, body, f"connector:{connector}")


async def tell_of_troubles(audience: Audience, connectors: Iterable[str], connection: Connection) -> None:
    """Tell of connectors that got into trouble, or are well again, by what all relays say of them."""
    if not audience.targets:
        return
    async with connection.transaction():
        if not await relay_news.lock_troubles(connection):
            return
        for row in await relay_news.situations(connection, list(connectors)):
            if _is_trouble(audience, row):
                await _tell_trouble(audience, connection, row)
            elif _is_over(audience, row):
                await _tell_well(audience, connection, row)


def _is_trouble(audience: Audience, row: Row) -> bool:
    """Whether people are to be told of it: they were not, or of another trouble that hides this one."""
    if row["state"] == "refused":
        return bool(row["kind"] != "refused")
    return bool(row["state"] == "failing" and row["kind"] is None and row["lasts"] >= audience.after)


def _is_over(audience: Audience, row: Row) -> bool:
    is_told = row["kind"] is not None
    return bool(is_told and row["state"] == "works" and row["is_proven"] and row["lasts"] >= audience.well_after)


async def _tell_trouble(audience: Audience, connection: Connection, row: Row) -> None:
    connector, kind = row["connector"], row["state"]
    if row["id"] is not None:
        await relay_news.end_trouble(connection, row["id"])
    trouble = await relay_news.begin_trouble(connection, connector, kind, row["reason"])
    what = "refuses our key" if kind == "refused" else f"has failed for {_span(row['lasts'])}"
    body = (
        f"{row['reason']}\n\nNothing is lost: events wait, and it is tried again by itself. Once it is mended, `amor outbox go {connector}` "
        "(or the control tower's page /erp) tries it at once."
    )
    if kind == "refused":
        body += " A key that is changed in the configuration is read when the relay starts."
    await _tell(audience, connection, connector, f"{kind}|{connector}|{trouble}", f"{connector} {what}", body)


async def _tell_well(audience: Audience, connection: Connection, row: Row) -> None:
    connector = row["connector"]
    await relay_news.end_trouble(connection, row["id"])
    body = f"People were told {_span(row['told_since'])} ago. What waited goes out, each order in its sequence."
    await _tell(audience, connection, connector, f"well|{connector}|{row['id']}", f"{connector} works again", body)


async def _tell(
    audience: Audience, connection: Connection, connector: str, topic: str, subject: str, body: str
) -> None:
    severity = str(Severity.LOW if topic.startswith("well") else audience.severity)
    pile = Pile(topic, 1, severity, lambda _: subject, body, f"connector:{connector}")
    await relay_news.tell(connection, audience.but(connector), pile, Rates(timedelta(0), timedelta(0)))


def _span(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    if minutes < 1:
        return "less than a minute"
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    return " ".join(part for part in parts if part)
