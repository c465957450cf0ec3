"""Failures on purpose: which requests break, how, and how often each way has been applied.

500                    refused before anything is written
429                    refused with Retry-After
timeout_before_commit  held beyond the client's patience, nothing written, closed without an answer
timeout_after_commit   written, then held, then closed without an answer
drop_after_commit      written, then closed at once without an answer
slow                   answered, but late
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Literal, get_args

Mode = Literal["500", "429", "timeout_before_commit", "timeout_after_commit", "drop_after_commit", "slow"]
MODES: tuple[Mode, ...] = get_args(Mode)
SLOW_S = 2.0
RETRY_AFTER_S = 1.0


@dataclass(slots=True)
class Failure:
    """The next `count` requests whose `model/method` contains `match` fail so; seconds to hold or to wait."""

    mode: Mode
    count: int = 1
    match: str = ""
    seconds: float | None = None


class Failures:
    """Ordered failures, first come first served, and a seeded random share of posting calls."""

    def __init__(self, seed: int, share: float = 0.0, hold_s: float = 20.0) -> None:
        self._rng = random.Random(f"{seed}:failures")
        self._share = share
        self._hold_s = hold_s
        self._ordered: list[Failure] = []
        self.applied: Counter[str] = Counter()

    def order(self, failure: Failure) -> None:
        """Add to the failures that wait."""
        self._ordered.append(failure)

    def clear(self) -> None:
        """Forget what waits, and stop the random ones."""
        self._ordered.clear()
        self._share = 0.0

    def pending(self) -> list[dict[str, object]]:
        """What waits, for people."""
        return [{"mode": f.mode, "count": f.count, "match": f.match, "seconds": f.seconds} for f in self._ordered]

    def take(self, call: str, posts: bool) -> Failure | None:
        """The failure of this request, if it has one; `call` is `model/method`."""
        for failure in self._ordered:
            if failure.match in call:
                failure.count -= 1
                if failure.count <= 0:
                    self._ordered.remove(failure)
                return self._applied(failure)
        if posts and self._share and self._rng.random() < self._share:
            return self._applied(Failure(self._rng.choice(MODES)))
        return None

    def hold_s(self, failure: Failure) -> float:
        """Seconds to wait, by the failure or by its mode."""
        if failure.seconds is not None:
            return failure.seconds
        return {"slow": SLOW_S, "429": RETRY_AFTER_S}.get(failure.mode, self._hold_s)

    def _applied(self, failure: Failure) -> Failure:
        self.applied[failure.mode] += 1
        return failure
