"""Waiting between attempts: longer each time, never in step with others."""

from __future__ import annotations

import asyncio
import random
from typing import Final

FIRST_S: Final = 0.2
LONGEST_S: Final = 5.0


class Backoff:
    """Waits that double from `first_s` to `longest_s`, each shortened by up to half at random."""

    def __init__(self, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self.attempts = 0

    def reset(self) -> None:
        """Begin again with the shortest wait: the last attempt succeeded."""
        self.attempts = 0

    async def wait(self) -> None:
        """Wait before the next attempt."""
        longest = min(self._longest_s, self._first_s * 2 ** min(self.attempts, 16))
        self.attempts += 1
        await asyncio.sleep(longest * random.uniform(0.5, 1))  # noqa: S311  # no secret: it only spreads clients in time
