"""How fast a queue at the broker becomes rows: by the bridge, by what it is compared with, and without a broker at all."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
import psycopg

from bridge.cli.bench.place import CLIENT_ID, QUERIES, Place, published
from bridge.cli.bench.publisher import MACHINES, TAGS_OF_HUNDRED
from bridge.errors import SetupError
from bridge.store.queries import load
from bridge.store.reading import Columns, pack

_RIVALS: Final = {"receive_limit_msg_s": "drop", "stock_paho_msg_s": "executemany", "stock_paho_copy_msg_s": "copy"}
_COPY_ROWS: Final = 20_000  # as many as the bridge commits at once


def one_per_message(place: Place, messages: int) -> dict[str, float]:
    """Messages a second of one reading each: one queue for every receiver, drained one after the other."""
    sessions = {name: f"bench-{kind}" for name, kind in _RIVALS.items()}
    place.subscribe(list(sessions.values()))
    place.subscribe_bridge()
    published(place.publisher("one", messages))
    figures = {"receive_limit_msg_s": place.receive("drop", sessions["receive_limit_msg_s"], messages)}
    figures["durable_msg_s"] = _drain(place, messages, messages)
    for name in ("stock_paho_msg_s", "stock_paho_copy_msg_s"):
        place.empty()
        figures[name] = place.receive(_RIVALS[name], sessions[name], messages)
        _check(place, messages, messages)
    return figures


def hundred_per_message(place: Place, messages: int) -> dict[str, float]:
    """Readings a second, a hundred in each message, beside the bare COPY of as many rows."""
    place.subscribe_bridge()
    published(place.publisher("hundred", messages))
    readings = messages * TAGS_OF_HUNDRED
    durable = _drain(place, messages, readings)
    place.empty()
    return {"durable_readings_s": durable, "copy_limit_rows_s": _bare_copy(place, messages)}


def _drain(place: Place, messages: int, readings: int) -> float:
    """Readings a second from the first arrival to the last commit, checked by what the table holds."""
    place.empty()
    with place.bridge() as process:
        place.wait_for_rows(readings, process)
    return readings / _check(place, messages, readings)


def _check(place: Place, messages: int, readings: int) -> float:
    """The seconds of the drain. Raises SetupError where the table does not hold every message once."""
    stored = place.row(QUERIES.stored)
    if (stored["messages"], stored["readings"]) != (messages, readings):
        raise SetupError(
            f"{CLIENT_ID}: {stored['readings']} readings of {readings} are stored: figures of loss are none"
        )
    return float(stored["seconds"] or 1)


def _bare_copy(place: Place, messages: int) -> float:
    """Rows a second of COPY and commit alone, packed beforehand, in one connection."""
    number, tag = np.divmod(np.arange(messages * TAGS_OF_HUNDRED), TAGS_OF_HUNDRED)
    rows = Columns(number % MACHINES * TAGS_OF_HUNDRED + tag, time.time_ns() // 1000 + number, tag.astype(np.float64))
    parts = [slice(at, at + _COPY_ROWS) for at in range(0, len(number), _COPY_ROWS)]
    batches = [pack(1, 1, [], Columns(rows.tag_ids[part], rows.times_us[part], rows.values[part])) for part in parts]
    with psycopg.connect(place.database.dsn) as connection, connection.cursor() as cursor:
        began = time.monotonic()
        for batch in batches:
            with cursor.copy(load("reading").copy) as stream:
                stream.write(batch)
            connection.commit()
        seconds = time.monotonic() - began
    place.empty()
    return len(number) / seconds
