"""What the control tower follows: machines with their states, tags with their newest readings, batches as they come in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from bridge.store.database import Connection, Row
from bridge.store.queries import load

_QUERIES: Final = load("live")


async def machines(connection: Connection, now: datetime) -> list[Row]:
    """Every work unit in the order of its line's flow, with state, reason, since, order_number and last_piece_at."""
    return await (await connection.execute(_QUERIES.machines, {"now": now})).fetchall()


async def tags(connection: Connection) -> list[Row]:
    """All tags: id, equipment_id, name, unit, kind, datatype, source."""
    return await (await connection.execute(_QUERIES.tags)).fetchall()


async def newest_readings(connection: Connection, tag_ids: Sequence[int], since: datetime) -> list[Row]:
    """The newest reading of each of the tags that spoke since then: tag_id, ts, value, text, quality."""
    return await (
        await connection.execute(_QUERIES.newest_readings, {"tags": list(tag_ids), "since": since})
    ).fetchall()


async def listen(connection: Connection) -> None:
    """Hear of new batches and of changes that people see, on this connection."""
    await connection.execute(_QUERIES.listen_batch)
    await connection.execute(_QUERIES.listen_live)


async def lanes(connection: Connection) -> list[Row]:
    """The newest batch of each lane: lane, seq, source, received_at."""
    return await (await connection.execute(_QUERIES.lanes)).fetchall()


async def newest_tag(connection: Connection) -> int:
    """The id of the tag that was registered last; 0 without any."""
    row = await (await connection.execute(_QUERIES.newest_tag)).fetchone()
    return int(row["id"]) if row else 0


async def batches_after(connection: Connection, lane: int, after: int, most: int) -> Row | None:
    """The stretch of at most `most` batches after one: seq of its last, min_ts and max_ts. None where nothing came."""
    row = await (
        await connection.execute(_QUERIES.batches_after, {"lane": lane, "after": after, "most": most})
    ).fetchone()
    return row if row and row["seq"] is not None else None


async def points(
    connection: Connection, lane: int, after: int, stretch: Row, tag_ids: Sequence[int]
) -> list[tuple[int, float, float | str | None, int]]:
    """The newest reading of each tag in a stretch of batches: (tag id, source time in ms since 1970, value or text, quality)."""
    if stretch["min_ts"] is None:
        return []
    span = {
        "lane": lane,
        "after": after,
        "to": stretch["seq"],
        "min_ts": stretch["min_ts"],
        "max_ts": stretch["max_ts"],
    }
    rows = await connection.execute(_QUERIES.points, {**span, "tags": list(tag_ids)})
    return [
        (row["tag_id"], row["ms"], row["text"] if row["value"] is None else row["value"], row["quality"])
        async for row in rows
    ]


async def trend(connection: Connection, tag_id: int, start: datetime, end: datetime, width: timedelta) -> list[Row]:
    """A tag's history in buckets of `width`: ts, value (mean), low, high; a value is None where all readings were bad."""
    span = {"tag_id": tag_id, "start": start, "end": end, "width_s": width.total_seconds()}
    return await (await connection.execute(_QUERIES.trend, span)).fetchall()


async def states(connection: Connection, equipment_id: int, start: datetime, end: datetime) -> list[Row]:
    """A machine's states in a span, cut to it: starts_at, ends_at, state, reason."""
    span = {"equipment_id": equipment_id, "start": start, "end": end}
    return await (await connection.execute(_QUERIES.states, span)).fetchall()


async def rules(connection: Connection) -> list[Row]:
    """The active rules: id, version, body."""
    return await (await connection.execute(_QUERIES.rules)).fetchall()
