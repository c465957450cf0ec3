"""The message forms of line 1, bytes as a gateway sends them.

.../event        one JSON object of many readings, `ts` in epoch milliseconds with decimals (microseconds:
                 round what a float makes of it to whole microseconds)
.../gauges       one JSON object of many readings, `ts` in ISO 8601 with microseconds and Z
.../tag/<name>   one reading: value, unit, ts (ISO 8601), quality
.../batch        a JSON array of readings: tag, ts (ISO 8601), value, unit
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from simulators.plant.layout import UNITS, Value

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(instant: datetime) -> str:
    """`2026-11-21T03:20:54.123456Z`, always with six decimals."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def epoch_ms(instant: datetime) -> str:
    """Milliseconds since 1970 with three decimals, as a JSON number."""
    microseconds = (instant - EPOCH) // timedelta(microseconds=1)
    return f"{microseconds // 1000}.{microseconds % 1000:03d}"


def event(instant: datetime, readings: Mapping[str, Value]) -> bytes:
    """Readings of one instant that changed."""
    rest = json.dumps(dict(readings), separators=(",", ":"))[1:]
    return f'{{"ts":{epoch_ms(instant)},{rest}'.encode()


def gauges(instant: datetime, readings: Mapping[str, float]) -> bytes:
    """Measurements of one instant."""
    return _compact({"ts": iso(instant), **readings})


def single(instant: datetime, tag: str, value: float) -> bytes:
    """One measurement with its unit and quality."""
    return _compact({"value": value, "unit": UNITS[tag], "ts": iso(instant), "quality": "good"})


def batch(readings: Iterable[tuple[str, datetime, float]]) -> bytes:
    """Measurements of several instants, oldest first."""
    return _compact([{"tag": t, "ts": iso(at), "value": v, "unit": UNITS[t]} for t, at, v in readings])


def broken(rng: random.Random, whole: bytes) -> bytes:
    """What a gateway with a fault sends: a message cut in the middle, or bytes that are no text at all."""
    if rng.choice((True, False)):
        return whole[: rng.randrange(2, len(whole) - 1)]
    return b"\xff\xfe" + rng.randbytes(40)


def _compact(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
