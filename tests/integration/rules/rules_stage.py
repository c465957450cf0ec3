"""A plant's readings as batches in the database, and the engine stepped over them with a clock of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from bridge.config.settings import Settings
from bridge.errors import LaneTaken
from bridge.model.equipment import TagKind
from bridge.model.reading import Reading, TagKey, TagSpec, instant, microseconds
from bridge.store import reading, tag
from bridge.store.database import Connection, connect
from bridge.store.equipment import apply_plant
from rules.engine.follow import Follower
from rules.rulebook import load_rules
from rules.tickets.evidence import complete_due

T0 = datetime(2026, 3, 1, 6, tzinfo=UTC)
CNC = "acme/dortmund/machining/line1/cnc1"
FINAL = "acme/dortmund/machining/line1/insp1"
GOOD_STATUS, BAD_STATUS = 0, 0x8000_0000

RULES = """
apiVersion: rules/v1
rules:
- id: vibration
  for_each: {equipment_class: cnc_spindle}
  inputs: {v: {tag: spindle.vib_rms, unit: mm/s, max_age: 30s}}
  levels:
    - {severity: medium, if: "v > 2.8", clear: "v < 2.5", on_delay: 3s, off_delay: 10s}
    - {severity: high,   if: "v > 4.5", clear: "v < 4.1", on_delay: 2s, off_delay: 10s}
  consequence: bearing damage
  response: reduce feed, inspect spindle bearing
  actions:
    - ticket: {failure_mode: VIB, priority: from_severity, from: high, connector: erp,
               evidence: {before: 60s, after: 5s, tags: [v, spindle.rpm]}}
- id: finished-goods
  inputs: {good: {tag: parts.good, counter: {modulus: 65536, max_delta: 500}}}
  on: "delta(good) > 0"
  require: "order.active && operation.is_final"
  actions:
    - erp_posting: {connector: erp, kind: wip_to_fg, quantity: "delta(good)", batch: {max_qty: 5, max_wait: 10s}}
"""

# The other kinds of postings.
SCRAP = """
- id: scrap
  inputs: {bad: {tag: parts.scrap, counter: {modulus: 65536, max_delta: 500}}}
  on: "delta(bad) > 0"
  require: order.active
  actions:
    - erp_posting: {connector: erp, kind: scrap, quantity: "delta(bad)", batch: {max_qty: 5, max_wait: 10s}}
"""
CONSUMED = """
- id: bars
  for_each: {equipment_class: cnc_spindle}
  inputs: {good: {tag: parts.good, counter: {modulus: 65536, max_delta: 500}}}
  on: "delta(good) > 0"
  actions:
    - erp_posting: {connector: erp, kind: consumed, item: BAR-60, uom: kg, per_piece: 0.85, location: RAW, batch: {max_qty: 4, max_wait: 10s}}
    - erp_posting: {connector: erp, kind: consumed, item: OIL, uom: mL, per_piece: "0.000000000001", batch: {max_qty: 100, max_wait: 10s}}
- id: bars-of-scrap
  for_each: {equipment_class: cnc_spindle}
  inputs: {bad: {tag: parts.scrap, counter: {modulus: 65536, max_delta: 500}}}
  on: "delta(bad) > 0"
  actions:
    - erp_posting: {connector: erp, kind: consumed, item: BAR-60, uom: kg, per_piece: "0.9", location: RAW, batch: {max_qty: 4, max_wait: 10s}}
"""
PERFORMANCE = """
- id: confirmed
  inputs: {good: {tag: parts.good, counter: {modulus: 65536, max_delta: 500}}}
  on: "delta(good) > 0"
  actions:
    - erp_posting: {connector: erp, kind: performance, segment: "0010", final: order_end, batch: {max_qty: 10, max_wait: 20s}}
"""
LATE_SCRAP = """
- id: rejected-later
  for_each: {equipment_class: cnc_spindle}
  inputs: {rejected: {tag: parts.scrap, counter: {modulus: 65536, max_delta: 500}}}
  on: "delta(rejected) > 0"
  actions:
    - erp_posting: {connector: erp, kind: reversal, quantity: "delta(rejected)", batch: {max_qty: 4, max_wait: 5s}}
"""


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def settings_for(dsn: str, folder: Path, rules: str = RULES, lateness_ms: int = 1000) -> Settings:
    file = folder / "rules.yaml"
    file.write_text(rules)
    return Settings.model_validate({
        "plant": {"name": "test"},
        "database": {"dsn": dsn},
        "equipment": [{"path": CNC, "class": "cnc_spindle", "position": 1},
                      {"path": FINAL, "class": "inspection", "position": 2, "is_final": True}],
        "tag": [{"match": "spindle.vib_rms", "unit": "mm/s"}, {"match": "spindle.rpm", "unit": "1/min"}],
        "source": [{"name": f"line{lane}", "type": "mqtt", "lane": lane, "url": "mqtt://nowhere:1883",
                    "subscribe": [{"topic": "a/{tag}", "equipment": CNC}]} for lane in (1, 2)],
        "production": {"modulus": 65536, "max_delta": 500, "states": {
            "EXECUTE": "RUNNING", "STARVED": "STARVED", "ABORTED": "UNPLANNED_STOP", "IDLE": "IDLE"}},
        "rules": {"files": [str(file)], "lateness_ms": lateness_ms},
        "connector": [{"name": "erp", "type": "odoo19", "url": "http://nowhere", "database": "x",
                       "auth": {"type": "api_key", "key": "k"}}],
    })  # fmt: skip


@dataclass
class Row:
    """One reading of the test: seconds after T0."""

    equipment: str
    name: str
    seconds: float
    value: Any
    quality: int = GOOD_STATUS
    ordinal: int = 0


def together(equipment: str, seconds: float, **values: Any) -> list[Row]:
    """One message of many readings; `__` stands for the dot."""
    return [Row(equipment, name.replace("__", "."), seconds, value) for name, value in values.items()]


@dataclass
class Feed:
    """Writes batches as the ingest path does, numbered without gaps, redeliveries left out."""

    connection: Connection
    seq: dict[int, int] = field(default_factory=dict)
    known: set[tuple[int, int, int]] = field(default_factory=set)

    async def send(self, rows: Iterable[Row], lane: int = 1, received: float | None = None) -> None:
        rows = list(rows)
        source = f"line{lane}"
        specs = {
            TagKey(row.equipment, row.name): TagSpec(
                TagKey(row.equipment, row.name), "text" if isinstance(row.value, str) else "number",
                {"spindle.vib_rms": "mm/s", "spindle.rpm": "1/min"}.get(row.name, ""), TagKind.GAUGE, source, row.name,
            )
            for row in rows
        }  # fmt: skip
        seq = self.seq[lane] = self.seq.get(lane, 0) + 1
        received_at = at(max((row.seconds for row in rows), default=0) if received is None else received)
        async with self.connection.transaction():
            tags = await tag.register(self.connection, source, list(specs.values()))
            stored = []
            for row in rows:
                key = TagKey(row.equipment, row.name)
                us = microseconds(at(row.seconds))
                if (tags[key].id, us, row.ordinal) not in self.known:
                    self.known.add((tags[key].id, us, row.ordinal))
                    text = row.value if isinstance(row.value, str) else None
                    value = None if text is not None or row.value is None else float(row.value)
                    stored.append((tags[key].id, Reading(key, us, row.ordinal, value, text, row.quality)))
            await reading.copy(self.connection, lane, seq, stored)
            times = [instant(r.source_time_us) for _, r in stored]
            await reading.insert_batch(
                self.connection, lane=lane, seq=seq, source=source, received_at=received_at, rows=len(stored),
                duplicates=len(rows) - len(stored), span=(min(times), max(times)) if times else None,
            )  # fmt: skip


@dataclass
class Stage:
    """A database with a plant, its feed, and an engine that the test steps."""

    dsn: str
    settings: Settings
    connection: Connection
    engine_connection: Connection
    feed: Feed
    follower: Follower

    async def step(self, seconds: float) -> None:
        """Let the engine do everything there is to do when the wall's clock shows this."""
        while await self.follower.step(self.engine_connection, at(seconds)):
            pass

    async def restart(self, settings: Settings | None = None) -> None:
        """A new engine on a new connection, as after a kill."""
        await self.engine_connection.close()
        self.settings = settings or self.settings
        self.engine_connection = await connect(self.dsn, "test")
        self.follower = Follower(self.settings, load_rules(self.settings.rules.files))
        await self.follower.open(self.engine_connection, T0)

    async def evidence(self, seconds: float) -> int:
        return await complete_due(self.connection, lambda equipment_id: self.follower.clock(equipment_id, at(seconds)))

    async def rows(self, query: str) -> list[Any]:
        return await (await self.connection.execute(query.encode())).fetchall()

    async def one(self, query: str) -> Any:
        [row] = await self.rows(query)
        return next(iter(row.values())) if len(row) == 1 else row


@asynccontextmanager
async def open_stage(dsn: str, folder: Path, **changes: Any) -> AsyncIterator[Stage]:
    settings = settings_for(dsn, folder, **changes)
    connection, engine_connection = await connect(dsn, "test"), await connect(dsn, "test")
    await apply_plant(connection, settings, T0)
    for lane in (1, 2):
        with suppress(LaneTaken):  # as the bridge holds it that writes it; a second bench leaves it to the first
            await reading.take_lane(connection, lane)
    follower = Follower(settings, load_rules(settings.rules.files))
    await follower.open(engine_connection, T0)
    bench = Stage(dsn, settings, connection, engine_connection, Feed(connection), follower)
    try:
        yield bench
    finally:
        await bench.connection.close()
        await bench.engine_connection.close()


async def wait_for(dsn: str, query: str, *, expected: Any) -> None:
    """Listen until a query gives what is expected; the test's time limit bounds it."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("listen amor_live")
        while True:
            row = await (await connection.execute(query.encode())).fetchone()
            if row is not None and row[0] == expected:
                return
            async for _ in connection.notifies(timeout=0.5, stop_after=1):
                pass


def vibration(*points: tuple[float, float]) -> list[Row]:
    return [
        row for seconds, value in points for row in together(CNC, seconds, spindle__vib_rms=value, spindle__rpm=8000.0)
    ]


def piece(second: float, good: int, order: str = "MO/1", **more: object) -> list[Row]:
    return together(FINAL, second, state="EXECUTE", order__number=order, parts__good=good % 65536, **more)


async def postings(bench: Stage) -> list[tuple[str, int, str, str]]:
    rows = await bench.rows("select stream, seq, payload from outbox where kind = 'wip_to_fg' order by stream, seq")
    for row in rows:
        assert row["payload"]["sequence"] == row["seq"]
    return [(r["stream"], r["seq"], r["payload"]["quantity"], r["payload"]["cumulative"]) for r in rows]
