"""How often somebody may try to log in. Pure: the clock is an argument.

A try is noted before it is checked, and taken back if it was no failure: tries at the same time count against each other.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final

_MOST_KEYS: Final = 10_000


class Throttle:
    """At most `limit` failures per key within `span_s`; more have to wait. The memory is bounded: the oldest keys go first.

    A try that is not answered yet counts as a failure.
    """

    def __init__(self, limit: int = 5, span_s: float = 60.0) -> None:
        self._limit = limit
        self._span_s = span_s
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, key: str, now: float) -> float:
        """Seconds until the next try is allowed; 0 where it is now."""
        failures = self._failures.get(key)
        if failures is None:
            return 0.0
        while failures and now - failures[0] >= self._span_s:
            failures.popleft()
        return failures[0] + self._span_s - now if len(failures) >= self._limit else 0.0

    def tried(self, key: str, now: float) -> None:
        """Note a try, as a failure until it is taken back."""
        self._failures.setdefault(key, deque(maxlen=self._limit)).append(now)
        self._failures.move_to_end(key)
        while len(self._failures) > _MOST_KEYS:
            self._failures.popitem(last=False)

    def take_back(self, key: str, tried_at: float) -> None:
        """The try of that instant was no failure; all others stay."""
        failures = self._failures.get(key)
        if failures and tried_at in failures:
            failures.remove(tried_at)

    def succeeded(self, key: str) -> None:
        """Forget the failures."""
        self._failures.pop(key, None)
