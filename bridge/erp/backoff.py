"""How long to wait before trying again: exponential with full jitter, so that many streams do not come back at the same instant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Backoff:
    """The delay before attempt n + 1 is drawn evenly from 0 to `base` * 2^(n-1), at most `cap`. There is no last attempt."""

    base: timedelta
    cap: timedelta

    def delay(self, attempts: int, chance: float, at_least: timedelta | None = None) -> timedelta:
        """The wait after `attempts` failures (from 1); `chance` in [0, 1) is the draw.

        `at_least` is what the other side asked for (Retry-After): the wait is never shorter, even where it is above the cap,
        and the draw comes on top of it.
        """
        # Past 2^32 the cap holds for any base; the bound keeps the shift small after months of attempts.
        ceiling = min(self.cap, self.base * (1 << min(max(attempts, 1) - 1, 32)))
        return (at_least or timedelta(0)) + ceiling * chance
