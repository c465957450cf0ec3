"""What a message waits until it is committed: at steady rates, and while and after the database was away."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bridge.cli.bench.place import QUERIES, Place, published
from bridge.cli.bench.usage import rss_mb

OUTAGE_RATE: Final = 2000
_WARM_S: Final = 3.0
_AFTER_S: Final = 15.0
_LIVE_S: Final = 0.25  # behind the clock by less than this: nothing of the backlog is left
_LOOK_S: Final = 0.1


def commit_ms(place: Place, rate: int, seconds: float) -> dict[str, float]:
    """Percentiles from message to commit, milliseconds, at a rate a second."""
    place.empty()
    place.subscribe_bridge()
    with place.bridge() as process, _publishing(place, rate) as publisher:
        time.sleep(_WARM_S)
        began = datetime.now(UTC)
        time.sleep(seconds)
        ended = datetime.now(UTC)
        count = _end(publisher)
        place.wait_for_rows(count, process)
    return _percentiles(place, began, ended)


def outage(place: Place, seconds: float) -> dict[str, Any]:
    """Stop the database under a running load, start it again: memory, time to drain, what was lost, and commits after."""
    place.empty()
    place.subscribe_bridge()
    with place.bridge() as process, _publishing(place, OUTAGE_RATE) as publisher:
        time.sleep(_WARM_S + 5)
        before = rss_mb(process.pid)
        place.database.stop()
        stopped = time.monotonic()
        peak = before
        while time.monotonic() < stopped + seconds:
            time.sleep(_LOOK_S)
            peak = max(peak, rss_mb(process.pid))
        place.database.start()
        backlog = int((time.monotonic() - stopped) * OUTAGE_RATE)
        drained_s, peak = _drained(place, process, peak)
        began = datetime.now(UTC) + timedelta(seconds=1)
        time.sleep(_AFTER_S)
        ended = datetime.now(UTC)
        peak = max(peak, rss_mb(process.pid))
        count = _end(publisher)
        place.wait_for_rows(count, process)
    stored = place.row(QUERIES.stored)
    return {
        "rss_before_mb": before,
        "rss_peak_mb": peak,
        "lost": count - stored["messages"],
        "stored_twice": stored["readings"] - stored["messages"],
        "backlog": backlog,
        "drained_s": drained_s,
        "commit_ms": _percentiles(place, began, ended),
    }


def _drained(place: Place, process: subprocess.Popen[str], peak: float) -> tuple[float, float]:
    """Seconds until commits are live again, and the most memory meanwhile."""
    began = time.monotonic()
    while True:
        peak = max(peak, rss_mb(process.pid))
        behind = place.row(QUERIES.newest)["behind_s"]
        if behind is not None and behind < _LIVE_S:
            return time.monotonic() - began, peak
        time.sleep(_LOOK_S)


@contextmanager
def _publishing(place: Place, rate: int) -> Iterator[subprocess.Popen[str]]:
    publisher = place.publisher("one", 0, rate)
    try:
        yield publisher
    finally:
        if publisher.poll() is None:
            publisher.kill()
            publisher.wait()


def _end(publisher: subprocess.Popen[str]) -> int:
    publisher.terminate()
    return published(publisher)


def _percentiles(place: Place, began: datetime, ended: datetime) -> dict[str, float]:
    ms = place.row(QUERIES.commit_ms, {"begins": began, "ends": ended})["ms"]
    return dict(zip(("p50", "p95", "p99"), ms, strict=True))
