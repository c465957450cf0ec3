"""What stands before a business system: its rate, its pauses, and the circuit that opens when it fails.

    rate       a token bucket: so many requests a second, and a burst
    pause      what the system asked for (429 or 503 with Retry-After), and a refused key: every request more could lock the account
    circuit    closed -> open after `most_failures` in a row of two streams or more -> half open: one event at a time -> closed
    go         a person says that it is mended: pauses end, one event at a time is tried, and all again when one went well

While the circuit is open nothing is claimed: no event loses an attempt to a system that is away.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

import structlog

from bridge.erp.connector import Refusal
from bridge.erp.relay.masking import said
from bridge.erp.relay.rhythm import Rhythm, pause
from bridge.errors import CredentialsError, TransientError, UnknownOutcome

log = structlog.get_logger()

_MOST_FAILING = 2  # streams that fail, and none that does not, make a system that fails

CircuitState = Literal["closed", "open", "half open"]

ConditionState = Literal["works", "failing", "refused"]


@dataclass(frozen=True, slots=True)
class Condition:
    """How a connector is, for people: it works, its system fails (the circuit is not closed), or refuses the key.

    `until`: the event loop's time at which it is tried again; meaningless while it works. `is_proven`: it works, and took a request since
    it failed last, or since this relay began.
    """

    state: ConditionState
    reason: str = ""
    until: float = 0.0
    is_proven: bool = False


@dataclass(slots=True)
class Bucket:
    """A token bucket: `rate` tokens a second, at most `burst` of them at hand. Pure; the clock is an argument."""

    rate: float
    burst: float
    level: float = field(init=False)
    at: float = 0.0

    def __post_init__(self) -> None:
        self.level = self.burst

    def take(self, now: float) -> float:
        """Take one token; returns the seconds to wait for it, 0 where it is at hand."""
        self.level = min(self.burst, self.level + (now - self.at) * self.rate)
        self.at = now
        self.level -= 1
        return 0.0 if self.level >= 0 else -self.level / self.rate


class Gate:
    """The gate of one connector. `rate_per_s` 0: no limit."""

    def __init__(self, connector: str, rhythm: Rhythm, *, rate_per_s: float = 0.0, burst: int = 1) -> None:
        self._log = log.bind(connector=connector)
        self._rhythm = rhythm
        self._bucket = Bucket(rate_per_s, float(burst)) if rate_per_s else None
        self._failures = 0
        self._failing: set[str] = set()  # whose they are
        self._refusals = 0
        self._openings = 0
        self._until = 0.0
        self._reason = ""
        self._has_worked = False
        self._went = asyncio.Event()  # set, and another one in its place, when a person says go
        self.state: CircuitState = "closed"
        self.changed = asyncio.Event()  # set whenever `condition` may be another; who looks clears it

    @property
    def most(self) -> int | None:
        """How many events may be in hand: one while the circuit is half open, otherwise None for as many as there may be."""
        return 1 if self.state == "half open" else None

    @property
    def condition(self) -> Condition:
        """How the connector is now."""
        if self._refusals:
            return Condition("refused", self._reason, self._until)
        if self.state == "closed":
            return Condition("works", is_proven=self._has_worked)
        return Condition("failing", self._reason, self._until)

    async def ready(self, stop: asyncio.Event) -> None:
        """Until the pause is over, or `stop`."""
        while not stop.is_set() and (left := self._until - _now()) > 0:
            await self.pause(stop, timedelta(seconds=left))
        if self.state == "open" and not stop.is_set():
            self.state = "half open"

    async def pause(self, stop: asyncio.Event, wait: timedelta) -> None:
        """Wait after a failure: until `stop`, or until a person says go."""
        await pause(stop, wait, self._went)

    def go(self) -> None:
        """A person says that what was wrong is mended: pauses end, and one event at a time is tried until one goes well."""
        if self.condition.state != "works":
            self.state = "half open"
            self._log.info("a person says go: tried now", reason=self._reason)
        self._until = _now()
        self._refusals, self._openings = min(self._refusals, 1), min(self._openings, 1)
        went, self._went = self._went, asyncio.Event()
        went.set()
        self.changed.set()

    async def token(self) -> None:
        """Until the rate allows one request more."""
        if self._bucket is not None and (wait := self._bucket.take(_now())) > 0:
            await asyncio.sleep(wait)

    def worked(self) -> None:
        """The system took a request."""
        if self.state != "closed":
            self._log.info("works again", was_open=self._openings)
        if self.condition.state != "works" or not self._has_worked:
            self.changed.set()
        self._has_worked = True
        self.state, self._failures, self._refusals, self._openings = "closed", 0, 0, 0
        self._failing.clear()

    def failed(self, error: Exception, stream: str = "") -> None:
        """A request failed: what this means for all others. What is one event's own fault means nothing for them.

        `stream` is whose request it was; empty: no event's. One stream alone opens no circuit: its own waits hold it, and others may fare well.
        """
        match error:
            case CredentialsError():
                self._refuse(error)
            case TransientError() | UnknownOutcome() if not _is_own_fault(error):
                self._count(error, stream)

    def _refuse(self, error: Exception) -> None:
        if _now() < self._until:
            return
        self._refusals += 1
        wait = self._rhythm.refused_key.delay(self._refusals, 1.0)
        self._pause(wait)
        self._tell(error)
        self._log.error("the key is refused, connector paused", reason=said(error), pause_s=wait.total_seconds())

    def _count(self, error: Exception, stream: str) -> None:
        self._failures += 1
        if len(self._failing) <= _MOST_FAILING:
            self._failing.add(stream)
        if asked := self._rhythm.asked(error):
            self._pause(min(asked, self._rhythm.longest_pause))
        is_of_many = len(self._failing) >= _MOST_FAILING or "" in self._failing
        is_much = self._failures >= self._rhythm.most_failures and is_of_many
        if self.state == "open" or (self.state == "closed" and not is_much):
            return
        self._openings += 1
        wait = self._rhythm.circuit.delay(self._openings, random.uniform(0.5, 1.0))  # noqa: S311  # jitter
        self._pause(wait)
        if self.state == "closed":
            self._log.warning("failing, circuit open", reason=said(error), failures=self._failures)
        self.state = "open"
        self._tell(error)

    def _tell(self, error: Exception) -> None:
        self._reason = said(error)
        self.changed.set()

    def _pause(self, wait: timedelta) -> None:
        self._until = max(self._until, _now() + wait.total_seconds())


def _is_own_fault(error: Exception) -> bool:
    return isinstance(error.__cause__, Refusal) and error.__cause__.is_own_fault


def _now() -> float:
    return asyncio.get_running_loop().time()
