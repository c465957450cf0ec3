"""The ERP's state in SQLite: records as JSON, stock moves as a ledger, sequences; WAL, synchronous FULL.

A request is one transaction, so kill -9 at any moment leaves either all of it or nothing.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from simulators.erp.errors import MissingRecord, UnknownField
from simulators.erp.models import MODELS, Row

SCHEMA = """
create table if not exists record (
    model text, id integer, body text not null, primary key (model, id)) without rowid;
create table if not exists move (
    id integer primary key, at text not null, kind text not null, product_id integer not null,
    location_id integer not null, quantity text not null, origin text, document text not null);
create index if not exists component on record (json_extract(body, '$.raw_material_production_id'), id)
    where model = 'stock.move';
create table if not exists counter (name text primary key, value integer not null) without rowid;
"""

PRECISION = "Product Unit"
"""The digits that quantities are kept to."""


def odoo_time(instant: datetime) -> str:
    """`2026-11-21 03:20:54`: UTC, without a zone, whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


class Store:
    """One connection, used from one thread."""

    def __init__(self, path: Path, *, survives: bool = True) -> None:
        """`survives`: what was answered is there after a power cut too, so that each transaction waits for the disk."""
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute(f"pragma synchronous = {'full' if survives else 'off'}")
        self._db.executescript(SCHEMA)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside, or undo it when an exception leaves."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    @contextlib.contextmanager
    def savepoint(self) -> Iterator[None]:
        """Within a transaction: undo what happens inside when an exception leaves, and nothing else."""
        self._db.execute("savepoint inside")
        try:
            yield
        except BaseException:
            self._db.execute("rollback to inside")
            raise
        finally:
            self._db.execute("release inside")

    def close_period(self) -> None:
        """Lock the books: nothing is posted any more."""
        self.count_up("period closed")

    def is_period_closed(self) -> bool:
        """Whether the books are locked."""
        return bool(self.counted("period closed"))

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def count_up(self, name: str) -> int:
        """The next number of a sequence, from 1."""
        row = self._db.execute(
            "insert into counter values (?, 1) on conflict (name) do update set value = value + 1 returning value",
            (name,),
        ).fetchone()
        return int(row[0])

    def counted(self, prefix: str) -> dict[str, int]:
        """Last numbers of the sequences whose name begins so, by the rest of the name."""
        rows = self._db.execute("select name, value from counter where name glob ? || '*'", (prefix,))
        return {name[len(prefix) :]: value for name, value in rows}

    def create(self, model: str, values: Row, now: datetime, record_id: int | None = None) -> int:
        """Add a record with the model's defaults, times and name; gives its id."""
        definition = MODELS[model]
        check_fields(model, values)
        number = record_id if record_id is not None else self.count_up(f"id:{model}")
        times = {"create_date": odoo_time(now), "write_date": odoo_time(now)}
        row = {**definition.defaults, **times, **_set(values)}
        if definition.sequence and not row["name"]:
            row["name"] = definition.sequence.format(self.count_up(f"name:{model}"))
        self._db.execute("insert into record values (?, ?, ?)", (model, number, json.dumps(row)))
        return number

    def rows(self, model: str) -> list[Row]:
        """All records of a model by id, many2one fields as ids."""
        found = self._db.execute("select id, body from record where model = ? order by id", (model,))
        return [_row(model, number, body) for number, body in found]

    def components(self, order: int) -> list[Row]:
        """The component moves of an order by id, its scraps left out."""
        found = self._db.execute(
            "select id, body from record where model = 'stock.move'"
            " and json_extract(body, '$.raw_material_production_id') = ? order by id",
            (order,),
        )
        rows = [_row("stock.move", number, body) for number, body in found]
        return [row for row in rows if not row["scrap_id"]]

    def digits(self) -> int:
        """Digits behind the point that quantities are kept to."""
        return next((int(row["digits"]) for row in self.rows("decimal.precision") if row["name"] == PRECISION), 2)

    def find(self, model: str, record_id: int) -> Row | None:
        """One record, or None."""
        found = self._db.execute("select body from record where model = ? and id = ?", (model, record_id)).fetchone()
        return _row(model, record_id, found[0]) if found else None

    def get(self, model: str, record_id: int) -> Row:
        """One record; raises MissingRecord."""
        row = self.find(model, record_id)
        if row is None:
            raise MissingRecord(f"Record does not exist or has been deleted.\n(Record: {model}({record_id},))")
        return row

    def update(self, model: str, record_id: int, values: Row, now: datetime) -> None:
        """Change fields of a record; raises MissingRecord or UnknownField."""
        check_fields(model, values)
        row = {**self.get(model, record_id), **_set(values), "write_date": odoo_time(now)}
        del row["id"]
        self._db.execute("update record set body = ? where model = ? and id = ?", (json.dumps(row), model, record_id))

    def delete(self, model: str, record_id: int) -> None:
        """Remove a record, and what is known of where it came from."""
        self._db.execute("delete from record where model = ? and id = ?", (model, record_id))
        for row in self.rows("ir.model.data"):
            if (row["model"], row["res_id"]) == (model, record_id):
                self._db.execute("delete from record where model = 'ir.model.data' and id = ?", (row["id"],))

    def move(
        self, kind: str, product: int, location: int, quantity: str, origin: Any, document: str, now: datetime
    ) -> None:
        """Book a quantity into a location, or out of it when negative; nothing asks whether it is there."""
        self._db.execute(
            "insert into move (at, kind, product_id, location_id, quantity, origin, document)"
            " values (?, ?, ?, ?, ?, ?, ?)",
            (odoo_time(now), kind, product, location, quantity, origin or None, document),
        )

    def moves(self, kind: str) -> list[tuple[str | None, str, str]]:
        """Origin, document and quantity of each booking of a kind, in order."""
        return self._db.execute(
            "select origin, document, quantity from move where kind = ? order by id", (kind,)
        ).fetchall()

    def on_hand(self, product: int, location: int | None) -> float:
        """Stock of a product, in one location or in all; what is in production (7) or scrapped (9) is in no stock."""
        row = self._db.execute(
            "select coalesce(sum(cast(quantity as real)), 0) from move"
            " where product_id = ? and (location_id = ? or ? is null) and location_id not in (7, 9)",  # virtual ones
            (product, location, location),
        ).fetchone()
        return float(row[0])

    def reserved(self, product: int, location: int | None) -> float:
        """What of it open orders have reserved or picked, and have not taken yet."""
        row = self._db.execute(
            "select coalesce(sum(json_extract(body, '$.quantity')), 0) from record where model = 'stock.move'"
            " and json_extract(body, '$.product_id') = ? and json_extract(body, '$.state') not in ('done', 'cancel')"
            " and (json_extract(body, '$.location_id') = ? or ? is null)"
            " and json_extract(body, '$.location_id') not in (7, 9)",
            (product, location, location),
        ).fetchone()
        return float(row[0])


def _set(values: Row) -> Row:
    """Relations to many records are set by the command `[[6, 0, ids]]`."""
    commands = {name: value for name, value in values.items() if isinstance(value, list) and value[:1] != []}
    return {**values, **{name: value[0][2] for name, value in commands.items() if isinstance(value[0], list)}}


def _row(model: str, number: int, body: str) -> Row:
    """A record as it was written, with the defaults of the fields that its model got since."""
    return {"id": number, **MODELS[model].defaults, **json.loads(body)}


def check_fields(model: str, names: Any) -> None:
    """Raise UnknownField for the first name that is no field of the model."""
    for name in names:
        if not MODELS[model].has(name):
            raise UnknownField(f"Invalid field '{name}' on model '{model}'")
