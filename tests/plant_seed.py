"""A plant's past, written straight into the database: what the bridge and the rules would have written, for tests of what is shown.

`Seed` writes one thing at a time; `story` writes a shift with a bearing that wears out.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import random
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import psycopg
from argon2 import PasswordHasher

from bridge.config import Settings, load_settings
from bridge.store.database import Connection, connected
from bridge.store.equipment import apply_plant

LOGIN, PASSWORD = "olga", "a long enough passphrase"
_DEMO = Path(__file__).parents[1] / "simulators" / "demo" / "amor.toml"
_LINES = {"line1": ("saw1", "cnc1", "insp1"), "line2": ("saw2", "cnc2", "insp2")}
_UNITS = {
    "motor.current": "A",
    "motor.temp": "Cel",
    "spindle.vib_rms": "mm/s",
    "spindle.rpm": "1/min",
    "spindle.temp": "Cel",
}


def demo_settings(dsn: str, port: int = 0) -> Settings:
    """The demonstration's configuration over a database of a test, with shifts of a day, one of which began 12 hours ago."""
    start = f"{datetime.now(ZoneInfo('Europe/Berlin')) - timedelta(hours=12):%H:%M}"
    environment = {
        "AMOR_DATABASE_DSN": dsn,
        "AMOR_MQTT_URL": "mqtt://127.0.0.1:1",
        "AMOR_OPCUA_URL": "opc.tcp://127.0.0.1:1",
        "AMOR_ERP_URL": "http://127.0.0.1:1",
        "AMOR_ERP_API_KEY": "none",
        "AMOR_DASHBOARD_PORT": str(port),
        "AMOR_DEMO_SHIFT_START": start,
        "AMOR_DEMO_SHIFT_END": start,
    }
    return load_settings(_DEMO, environment)


async def apply(settings: Settings, now: datetime) -> None:
    """Equipment, calendar and an operator."""
    async with connected(settings.database.dsn.get_secret_value(), "test") as connection:
        await apply_plant(connection, settings, now)
        await add_account(connection, LOGIN, PASSWORD, "operator")


async def add_account(connection: Connection, login: str, password: str, role: str) -> None:
    """An account as `create_account` makes it, but its hash is found out in no time: hundreds of tests log in, and most of what that
    took was the work that a hash is to cost whoever steals it.
    """
    account = "insert into account (login, password_hash, role) values (%s, %s, %s) on conflict do nothing"
    await connection.execute(account, (login, _quick_hash(password), role))


@cache
def _quick_hash(password: str) -> str:
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)


class Seed:
    """Writes rows; every method commits and notifies as the owners of the rows do."""

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.keys = 0

    def close(self) -> None:
        self.connection.close()

    def one(self, query: str, *values: object) -> object:
        row = self.connection.execute(query, values).fetchone()
        return row[0] if row else None

    def notify(self, channel: str, payload: str) -> None:
        self.connection.execute("select pg_notify(%s, %s)", (channel, payload))

    def equipment(self, name: str) -> int:
        return int(self.one("select id from equipment where name = %s and level = 'work_unit'", name))

    def tag(self, machine: str, name: str, unit: str = "", kind: str = "gauge") -> int:
        made = self.one(
            "insert into tag (equipment_id, name, datatype, unit, kind, source, address) values (%s, %s, %s, %s, %s, 'line1', '')"
            " on conflict (equipment_id, name) do update set unit = excluded.unit returning id",
            self.equipment(machine), name, "text" if kind == "state" else "number", unit, kind,
        )  # fmt: skip
        return int(made)

    def state(self, machine: str, start: datetime, end: datetime | None, state: str, reason: str = "") -> None:
        made = self.one(
            "insert into machine_state (equipment_id, during, state, reason) values (%s, tstzrange(%s, %s), %s, %s) returning id",
            self.equipment(machine), start, end, state, reason,
        )  # fmt: skip
        self.notify("amor_live", f"state:{made}")

    def count(
        self, machine: str, at: datetime, qty: int, kind: str = "good", *, order: str | None = None, final: bool = False
    ) -> int:
        self.keys += 1
        tag = self.tag(machine, f"parts.{kind}", kind="counter")
        made = self.one(
            "insert into production_count (equipment_id, ts, tag_id, ordinal, order_number, kind, qty, is_final, counter_to, key)"
            " values (%s, %s, %s, 0, %s, %s, %s, %s, 0, %s) returning id",
            self.equipment(machine), at, tag, order, kind, qty, final, f"seed:{self.keys}",
        )  # fmt: skip
        self.notify("amor_live", f"count:{made}")
        return int(made)

    def post(self, order: str, qty: int, counts: list[int], state: str = "done") -> int:
        self.keys += 1
        made = self.one(
            "insert into outbox (connector, stream, seq, kind, payload, key, state, done_at) values"
            " ('erp', %s, %s, 'wip_to_fg', %s, %s, %s, case when %s = 'done' then now() end) returning id",
            order, self.keys, json.dumps({"quantity": str(qty)}), f"seed:{self.keys}", state, state,
        )  # fmt: skip
        self.connection.execute("update production_count set outbox_id = %s where id = any(%s)", (made, counts))
        self.notify("amor_live", f"outbox:{made}")
        return int(made)

    def take_back(self, order: str, qty: int) -> None:
        """A reversal of good pieces that the system has taken."""
        self.keys += 1
        payload = {"order_ref": order, "quantity": str(qty), "reverses": {"kind": "wip_to_fg"}}
        self.connection.execute(
            "insert into outbox (connector, stream, seq, kind, payload, key, state, done_at)"
            " values ('erp', %s, %s, 'reversal', %s, %s, 'done', now())",
            (order, self.keys, json.dumps(payload), f"seed:{self.keys}"),
        )

    def readings(self, lane: int, rows: list[tuple[int, datetime, float | str | None, int]]) -> int:
        """A batch of readings (tag, source time, value, quality); returns its seq."""
        seq = int(self.one("select coalesce(max(seq), 0) + 1 from batch where lane = %s", lane))
        times = [row[1] for row in rows]
        with self.connection.transaction():
            with self.connection.cursor().copy(
                "copy reading (ts, value, text, quality, batch_seq, tag_id, ordinal, lane) from stdin"
            ) as copy:
                for tag, at, value, quality in rows:
                    is_text = isinstance(value, str)
                    copy.write_row(
                        (at, None if is_text else value, value if is_text else None, quality, seq, tag, 0, lane)
                    )
            self.connection.execute(
                "insert into batch (lane, seq, source, received_at, rows, min_ts, max_ts) values (%s, %s, %s, %s, %s, %s, %s)",
                (lane, seq, f"line{lane}", max(times), len(rows), min(times), max(times)),
            )
            self.notify("amor_batch", f"{lane}:{seq}")
        return seq

    def alarm(
        self, machine: str, severity: str, message: str, at: datetime, *, state: str = "ACTIVE_UNACK", rule: str = "rule",
        response: str = "inspect",
    ) -> int:  # fmt: skip
        acked = state == "ACTIVE_ACK"
        made = self.one(
            "insert into alarm (rule_id, rule_version, equipment_id, severity, state, message, consequence, response, raised_at,"
            " acked_at, acked_by) values (%s, 1, %s, %s, %s, %s, 'bearing damage', %s, %s, %s, %s) returning id",
            rule, self.equipment(machine), severity, state, message, response, at, at if acked else None, LOGIN if acked else None,
        )  # fmt: skip
        self.notify("amor_live", f"alarm:{made}")
        return int(made)

    def ticket(self, machine: str, priority: str, title: str, at: datetime, alarm: int, picture: bytes | None) -> int:
        made = self.one(
            "insert into ticket (equipment_id, failure_mode, priority, title, description, opened_at, occurrences, external_id)"
            " values (%s, 'VIB', %s, %s, 'spindle.vib_rms 4.9 mm/s > 4.5', %s, 2, 'MR/00041') returning id",
            self.equipment(machine), priority, title, at,
        )  # fmt: skip
        if picture:
            self.connection.execute(
                "insert into ticket_evidence (ticket_id, alarm_id, during, rule_id, rule_version, tags, picture, picture_type,"
                " completed_at) values (%s, %s, tstzrange(%s, %s), 'rule', 1, '[]', %s, 'image/png', now())",
                (made, alarm, at - timedelta(minutes=1), at, picture),
            )
        self.notify("amor_live", f"ticket:{made}")
        return int(made)

    def order(self, number: str, product: str, quantity: int, due: datetime, state: str = "released") -> None:
        self.connection.execute(
            "insert into production_order (number, connector, external_id, product, quantity, due, state)"
            " values (%s, 'erp', %s, %s, %s, %s, %s)",
            (number, number, product, quantity, due, state),
        )
        self.notify("amor_live", "order:1")

    def shipment(self, number: str, created_at: datetime, shipped_at: datetime | None) -> None:
        self.connection.execute(
            "insert into shipment (connector, number, state, created_at, shipped_at) values ('erp', %s, %s, %s, %s)",
            (number, "done" if shipped_at else "waiting", created_at, shipped_at),
        )
        self.notify("amor_live", "shipment:1")

    def rule(self, rule_id: str, body: dict[str, object]) -> None:
        self.connection.execute(
            "insert into rule (id, version, sha256, body, file) values (%s, 1, '', %s, 'rules.yaml')",
            (rule_id, json.dumps(body)),
        )


VIBRATION_RULE = {
    "for_each": {"equipment_class": "cnc_spindle"},
    "inputs": {"v": {"tag": "spindle.vib_rms", "unit": "mm/s"}},
    "levels": [
        {"severity": "medium", "if": "v > 2.8", "clear": "v < 2.5"},
        {"severity": "high", "if": "v > 4.5", "clear": "v < 4.1"},
    ],
    "response": "reduce feed, inspect spindle bearing",
}


def story(seed: Seed, now: datetime, hours: float = 3.0) -> None:
    """Some hours of two lines: states, pieces, postings, readings, alarms, a ticket with its picture, orders and shipments."""
    chance = random.Random(7)
    start = now - timedelta(hours=hours)
    seed.rule("cnc-spindle-vibration", VIBRATION_RULE)
    for number, product in (
        ("WH/MO/00017", "Housing A4"),
        ("WH/MO/00018", "Bracket C2"),
        ("WH/MO/00021", "Housing A4"),
    ):
        seed.order(number, product, 4200, now + timedelta(days=1))
    for n, lead_h in enumerate((61.0, 74.5, 80.2, 88.0, 92.4, 101.0, 118.3, 127.0, 150.9)):
        seed.shipment(f"WH/OUT/{n:05}", now - timedelta(hours=lead_h + n), now - timedelta(hours=n))
    for line, machines in enumerate(_LINES.values()):
        for position, machine in enumerate(machines):
            _states(seed, chance, machine, start, now)
            _pieces(seed, chance, machine, f"WH/MO/0001{7 + line}", start, now, final=position == 2)
            _gauges(seed, chance, line + 1, machine, now, wears=machine == "cnc2")
    high = seed.alarm(
        "cnc2", "high", "spindle.vib_rms 4.93 mm/s > 4.5 mm/s", now - timedelta(minutes=4), rule="cnc-spindle-vibration",
        response="reduce feed, inspect spindle bearing",
    )  # fmt: skip
    seed.alarm("saw1", "low", "motor.temp drifts: 3.4 sigma above its baseline", now - timedelta(minutes=41), state="ACTIVE_ACK", response="clean the filter")  # fmt: skip
    seed.ticket("cnc2", "high", "Vibration too high on cnc2", now - timedelta(minutes=4), high, picture())


@cache
def picture() -> bytes:
    """What the rules draw as evidence, in small."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2), layout="tight")
    axes = figure.subplots()
    axes.plot([t / 10 for t in range(600)], [2 + math.exp(t / 200 - 2) + math.sin(t) / 8 for t in range(600)], lw=1)
    axes.axhline(4.5, color="tab:red", ls="--")
    axes.set(xlabel="s", ylabel="spindle.vib_rms, mm/s")
    target = io.BytesIO()
    figure.savefig(target, format="png", dpi=90)
    return target.getvalue()


def _states(seed: Seed, chance: random.Random, machine: str, start: datetime, now: datetime) -> None:
    at = start
    losses = (
        ("STARVED", ""),
        ("BLOCKED", ""),
        ("UNPLANNED_STOP", "tool breakage"),
        ("SETUP", "change of product"),
        ("IDLE", ""),
    )
    while at < now:
        run = at + timedelta(minutes=chance.uniform(8, 40))
        if run >= now:
            break
        seed.state(machine, at, run, "RUNNING")
        state, reason = chance.choices(losses, (4, 3, 1, 1, 1))[0]
        at = run + timedelta(minutes=chance.uniform(0.5, 5))
        seed.state(machine, run, min(at, now - timedelta(seconds=40)), state, reason)
    last = {"cnc2": ("UNPLANNED_STOP", "spindle vibration"), "insp2": ("STARVED", "")}.get(machine, ("RUNNING", ""))
    newest = seed.one("select max(upper(during)) from machine_state where equipment_id = %s", seed.equipment(machine))
    seed.state(machine, max(newest or start, min(at, now - timedelta(seconds=39))), None, *last)


def _pieces(
    seed: Seed, chance: random.Random, machine: str, order: str, start: datetime, now: datetime, *, final: bool
) -> None:
    at, waiting = start, []
    good = {"s": 24, "c": 23, "i": 22}[machine[0]]  # each operation a little behind the one before
    while (at := at + timedelta(seconds=60)) < now:
        waiting.append((seed.count(machine, at, good, order=order, final=final), good))
        if chance.random() < 0.7:
            seed.count(machine, at, 1, "scrap", order=order)
        if final and len(waiting) == 5 and now - at > timedelta(minutes=2):
            seed.post(order, sum(qty for _, qty in waiting), [made for made, _ in waiting])
            waiting = []


def _gauges(seed: Seed, chance: random.Random, lane: int, machine: str, now: datetime, *, wears: bool) -> None:
    names = _UNITS if machine.startswith("cnc") else ("motor.current", "motor.temp")
    rows: list[tuple[int, datetime, float | str | None, int]] = []
    for name in names:
        tag = seed.tag(machine, name, _UNITS[name])
        level = {
            "motor.current": 14.0,
            "motor.temp": 52.0,
            "spindle.vib_rms": 1.3,
            "spindle.rpm": 8000.0,
            "spindle.temp": 41.0,
        }[name]
        for step in range(1800):
            wear = 3.6 * (step / 1800) ** 5 if wears and name == "spindle.vib_rms" else 0.0
            value = level * (1 + 0.02 * math.sin(step / 40)) + chance.gauss(0, level * 0.012) + wear
            rows.append((tag, now - timedelta(seconds=1800 - step), value, 0))
    state = seed.tag(machine, "state", kind="state")
    rows.append((state, now - timedelta(minutes=5), "EXECUTE", 0))
    seed.readings(lane, sorted(rows, key=lambda row: row[1]))


def main() -> None:
    """Fill a migrated database: python -m tests.plant_seed DSN."""
    import sys

    dsn, now = sys.argv[1], datetime.now(UTC)
    asyncio.run(apply(demo_settings(dsn), now))
    seed = Seed(dsn)
    story(seed, now)
    seed.close()


if __name__ == "__main__":
    main()
