"""What goes on beside the readings: shelves end, clocks run out, people are told, verdicts are counted. By the wall's clock.

Each part is done again and again, from what the database says; nothing is kept here that a kill could take.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Final

import psycopg
import structlog

from bridge.config.settings import Settings
from bridge.store.database import Connection
from rules.actions.comeback import come_back
from rules.actions.telling import tell_new
from rules.rulebook.model import Rule
from rules.tickets import clocks, feedback

log = structlog.get_logger()

_EVERY_S: Final = 0.5
_FEEDBACK_EVERY: Final = 20  # rounds: nobody waits for a figure

Rules = Callable[[], Mapping[str, Rule]]
Part = Callable[[datetime], Awaitable[int]]


async def keep_watch(connection: Connection, settings: Settings, rules: Rules, stop: asyncio.Event) -> None:
    """Do every part until `stop`. Raises what the database raises where it goes away; a mistake in one part stops no other."""
    parts: dict[str, Part] = {
        "shelves": lambda now: come_back(connection, settings, rules(), now),
        "clocks": lambda now: clocks.look(connection, settings, now),
        "notifications": lambda now: tell_new(connection, settings, now),
    }
    failing: set[str] = set()
    for round_ in count():
        if stop.is_set():
            return
        for name, part in parts.items():
            await _do(name, part, failing)
        if round_ % _FEEDBACK_EVERY == 0:
            await _do("feedback", lambda now: feedback.compute(connection, rules(), now), failing)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), _EVERY_S)


async def _do(name: str, part: Part, failing: set[str]) -> None:
    try:
        await part(datetime.now(UTC))
    except (psycopg.OperationalError, psycopg.InterfaceError):
        raise
    except Exception:
        if name not in failing:
            log.exception("a mistake, trying again", part=name)
        failing.add(name)
    else:
        failing.discard(name)
