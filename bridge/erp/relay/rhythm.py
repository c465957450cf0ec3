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

    def asked(self, error: Exception) -> timedelta | None:
        """The wait that a system asked for with its failure, at most `longest_asked`; None where it asked for none."""
        wait: timedelta | None = getattr(error, "retry_after", None)
        return None if wait is None else min(wait, self.longest_asked)


DEFAULT: Final = Rhythm(
    retry=Backoff(timedelta(seconds=0.5), timedelta(seconds=20)),
    refused_key=Backoff(timedelta(seconds=30), timedelta(minutes=15)),
    database=Backoff(timedelta(seconds=0.2), timedelta(seconds=3)),
    look_again=timedelta(seconds=1),
    overlap=timedelta(minutes=5),
    ending=timedelta(seconds=1),
)


async def pause(stop: asyncio.Event, wait: timedelta) -> None:
    """Wait, but not longer than until `stop`."""
    try:
        async with asyncio.timeout(wait.total_seconds()):
            await stop.wait()
    except TimeoutError:
        return


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


class KeyCheck:
    """Holds a whole connector while its system refuses the key: every request more could lock the account."""

    def __init__(self, connector: str, backoff: Backoff) -> None:
        self._log = log.bind(connector=connector)
        self._backoff = backoff
        self._refusals = 0
        self._until = 0.0

    def refused(self, error: BaseException) -> None:
        """The key was refused: nobody asks again for a while."""
        now = asyncio.get_running_loop().time()
        if now < self._until:
            return
        self._refusals += 1
        wait = self._backoff.delay(self._refusals, 1.0)
        self._until = now + wait.total_seconds()
        self._log.error("the key is refused, connector paused", reason=str(error), pause_s=wait.total_seconds())

    def accepted(self) -> None:
        """The key was taken."""
        self._refusals = 0

    async def wait(self, stop: asyncio.Event) -> None:
        """Until the pause is over."""
        while not stop.is_set() and (left := self._until - asyncio.get_running_loop().time()) > 0:
            await pause(stop, timedelta(seconds=left))
