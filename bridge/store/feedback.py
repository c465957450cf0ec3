"""What people found out of alarms, and the figures of the rules that follow from it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg.types.json import Jsonb

from bridge.model.ticket import Verdict
from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("feedback")


async def give(connection: Connection, alarm_id: int, verdict: Verdict, actor: str, note: str, at: datetime) -> None:
    """Say whether an alarm told the truth; the newest word counts."""
    values = {"alarm_id": alarm_id, "verdict": verdict, "actor": actor, "note": note, "at": at}
    await connection.execute(_QUERIES.give, values)


async def stale(connection: Connection, overlap: timedelta) -> list[Row]:
    """Rules and severities whose figures may not know of the newest verdict: rule_id, severity, newest.

    A verdict given up to `overlap` before the figures counts as not known: it may have been committed after them.
    """
    return await (await connection.execute(_QUERIES.stale, {"overlap": overlap})).fetchall()


async def judged(connection: Connection, rule_id: str, severity: str, most: int) -> list[Row]:
    """The alarms of a rule that were judged, newest verdict first: id, equipment_id, verdict, raised_at, ended_at."""
    values = {"rule_id": rule_id, "severity": severity, "most": most}
    return await (await connection.execute(_QUERIES.judged, values)).fetchall()


async def values_of_alarm(
    connection: Connection, equipment_id: int, tag: str, first: datetime, last: datetime, most: int
) -> tuple[list[int], list[float]]:
    """The readings of a tag in a span that are not bad: times in us since 1970, values; at most `most`, oldest first."""
    values = {"equipment_id": equipment_id, "tag": tag, "first": first, "last": last, "most": most}
    rows = await (await connection.execute(_QUERIES.values_of_alarm, values)).fetchall()
    return [row["at_us"] for row in rows], [row["value"] for row in rows]


async def save(
    connection: Connection,
    rule_id: str,
    severity: str,
    counts: dict[str, int],
    interval: tuple[float, float] | None,
    suggestion: dict[str, Any] | None,
    now: datetime,
) -> None:
    """Keep the figures of a rule's level; `counts` by verdict, `interval` of its precision."""
    low, high = interval or (None, None)
    values: dict[str, Any] = {"rule_id": rule_id, "severity": severity, "low": low, "high": high, "now": now}
    values |= {verdict: counts.get(verdict, 0) for verdict in ("true", "false", "unknown")}
    values["suggestion"] = Jsonb(suggestion) if suggestion else None
    await connection.execute(_QUERIES.save, values)


async def of_rules(connection: Connection) -> list[Row]:
    """The figures of all rules, those with the most false alarms first."""
    return await (await connection.execute(_QUERIES.of_rules)).fetchall()
