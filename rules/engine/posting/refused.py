"""A posting that cannot be written, now or ever: it is put off by itself, told and kept, and its neighbours go on.

Readings, alarms and other postings are in the same transaction: without this one order would hold up the plant.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import structlog

from bridge.errors import AmorError
from bridge.model.reading import DeadLetter
from bridge.store import dead_letter
from bridge.store.database import Connection
from rules.engine.posting import writing
from rules.engine.posting.waiting import Clock, Waiting

log = structlog.get_logger()

_REFUSALS: Final = (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded, AmorError)
_TRY_AGAIN: Final = timedelta(minutes=10)  # a person may have mended what stands in its way
_SOURCE: Final = "rules"  # of the dead letters


async def write(connection: Connection, waiting: Waiting, clock: Clock) -> int:
    """Post what waits, as writing.write does; where that is refused all of it goes on waiting, and nothing of it is written."""
    counts = list(waiting.counts)
    try:
        async with connection.transaction():
            return await writing.write(connection, waiting, clock)
    except _REFUSALS as error:
        waiting.counts[:] = counts
        await _keep(connection, waiting, str(error).strip())
    if counts:
        waiting.not_before = (clock(counts[0].equipment_id) or counts[-1].at) + _TRY_AGAIN
    else:
        waiting.ended = None  # the letter has it
    return 0


async def _keep(connection: Connection, waiting: Waiting, reason: str) -> None:
    key, kind = waiting.key, waiting.duty.action.kind
    pieces = sum(count.qty for count in waiting.counts)
    log.error("a posting cannot be written, trying again later", order=key.order_number, connector=key.connector,
              kind=str(kind), rule=waiting.duty.rule.id, pieces=pieces, error=reason)  # fmt: skip
    letter = DeadLetter(
        _SOURCE, f"{key.connector}/{key.order_number}", str(kind).encode(), f"{kind} cannot be posted: {reason}"[:500],
        datetime.now(UTC),
    )  # fmt: skip
    await dead_letter.insert(connection, _SOURCE, [letter], only_unknown=True)
