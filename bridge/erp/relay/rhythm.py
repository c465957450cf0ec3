"""When the relay tries again, and what its tasks share: waits that end with `stop`, and what was last said of an outage."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from bridge.erp.backoff import Backoff

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The relay's waits."""

    retry: Backoff  # of an event, or of the reading of orders
    refused_key: Backoff  # of a whole connector, so without chance
    circuit: Backoff  # of a system that failed `most_failures` times in a row, whatever the events
    database: Backoff
    look_again: timedelta  # where no notification came
    overlap: timedelta  # of two readings of orders: clocks differ, and a transaction takes its time
    ending: timedelta  # for attempts in hand when the relay is stopped
    # What a system may ask for at most (Retry-After). A broken proxy asks for years, and its stream would stand still for them;
    # who asks for longer in earnest is asked a few times more and answers that it is busy.
    longest_asked: timedelta = timedelta(minutes=15)
    # So often a system may say that it failed at the same request before a person is told: it is no conflict of two users any more,
    # and the stream stands still meanwhile. With the waits above it takes a quarter of an hour, in which an ERP that was started
    # anew, or whose own database was, is back: such an outage must not park every stream.
    most_own_faults: int = 100
    # What is asked of one event holds the whole connector as well, which is what a rate limit means, but not for longer than this: then
    # one event asks again.
    longest_pause: timedelta = timedelta(minutes=1)
    most_failures: int = 8
    # A stream that goes on and on gives way to the others after so many events, and of those that are claimed every second lot
    # is the newest: what was made just now does not wait behind the backlog of an outage.
    in_a_row: int = 10

    def asked(self, error: Exception) -> timedelta | None:
        """The wait that a system asked for with its failure, at most `longest_asked`; None where it asked for none."""
        wait: timedelta | None = getattr(error, "retry_after", None)
        return None if wait is None else min(wait, self.longest_asked)


DEFAULT: Final = Rhythm(
    retry=Backoff(timedelta(seconds=0.5), timedelta(seconds=20)),
    refused_key=Backoff(timedelta(seconds=30), timedelta(minutes=15)),
    circuit=Backoff(timedelta(seconds=0.5), timedelta(seconds=20)),
    database=Backoff(timedelta(seconds=0.2), timedelta(seconds=3)),
    look_again=timedelta(seconds=1),
    overlap=timedelta(minutes=5),
    ending=timedelta(seconds=1),
)


async def pause(stop: asyncio.Event, wait: timedelta, *others: asyncio.Event) -> None:
    """Wait, but not longer than until `stop`, or one of the others."""
    waits = [asyncio.ensure_future(event.wait()) for event in (stop, *others)]
    try:
        await asyncio.wait(waits, timeout=wait.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


class Availability:
    """Whether something works; says so once per change, however many tasks notice."""

    def __init__(self, what: str, **fields: object) -> None:
        self._log = log.bind(what=what, **fields)
        self._is_failing = False

    def lost(self, error: BaseException) -> None:
        """It failed."""
        if not self._is_failing:
            self._log.warning("failing, trying again", reason=str(error).strip() or type(error).__name__)
        self._is_failing = True

    def works(self) -> None:
        """It answered."""
        if self._is_failing:
            self._log.info("works again")
        self._is_failing = False
