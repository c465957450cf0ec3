"""The real Tryton as a process of its own, on a database that is made once and given back as it was for each test."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import socket
import sqlite3
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from bridge.config.settings import TrytonSettings
from bridge.erp.tryton82.client import encoded, to_date
from tests.erp_process import free_port
from tests.tryton_world import DATABASE, KEY, write_conf

WORLD = Path(__file__).with_name("tryton_world.py")


def found_world(folder: Path, *options: str) -> Path:
    """Make the database (`--lots`: with the module stock_lot); it takes some ten seconds. In a process of its own, away from the checkout: python-sql is another `sql`."""
    folder.mkdir(parents=True)
    subprocess.run([sys.executable, "-P", str(WORLD), str(folder), *options], check=True, cwd=folder, timeout=300)
    return folder / f"{DATABASE}.sqlite"


class TrytonServer:
    """One server. `reset` gives it a fresh database while it runs."""

    def __init__(self, world: Path, folder: Path) -> None:
        self._world = world
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.database = folder / f"{DATABASE}.sqlite"
        self._process: subprocess.Popen[bytes] | None = None
        self._period = 0
        self.reset()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        conf = write_conf(self._folder, self.port)
        program = Path(sys.executable).with_name("trytond")
        with (self._folder / "trytond.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), "-c", str(conf), "-d", DATABASE],
                cwd=self._folder,
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                stdout=log,
                stderr=log,
            )
        for _ in range(3000):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            assert self._process.poll() is None, (self._folder / "trytond.log").read_text()
            time.sleep(0.02)
        raise AssertionError("Tryton does not listen")

    def stop(self) -> None:
        """As a power cut: what it committed stays."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def reset(self) -> None:
        """The database as it was made."""
        with contextlib.closing(sqlite3.connect(self._world)) as world, self._books() as books:
            world.backup(books)

    def settings(self, *, key: str = KEY, **changes: Any) -> TrytonSettings:
        given = {
            "type": "tryton82",
            "name": "erp",
            "url": self.url,
            "database": DATABASE,
            "timeout_s": 30,
            "poll_s": 0.5,
        }
        return TrytonSettings.model_validate({**given, "auth": {"type": "api_key", "key": key}, **changes})

    def made(self, order: str, kind: str = "storage") -> Decimal:
        """What an order's done output moves brought into storage (or lost_found), from Tryton's own table of moves."""
        return self._sum(
            "select sum(m.quantity) from stock_move m join production p on p.id = m.production_output"
            " join stock_location l on l.id = m.to_location where m.state = 'done' and p.reference = ? and l.type = ?",
            (order, kind),
        )

    def documents(self, order: str) -> int:
        """The number of an order's done output moves."""
        query = (
            "select count(*) from stock_move m join production p on p.id = m.production_output"
            " where m.state = 'done' and p.reference = ?"
        )
        return int(self._sum(query, (order,)))

    def open_moves(self, order: str) -> int:
        """The number of an order's moves that are neither done nor cancelled."""
        query = (
            "select count(*) from stock_move m join production p on p.id in (m.production_output, m.production_input)"
            " where m.state not in ('done', 'cancelled') and p.reference = ?"
        )
        return int(self._sum(query, (order,)))

    def moves(self, order: str, side: str, state: str = "done") -> list[int]:
        """Ids of an order's moves in a state; `side` is production_output or production_input."""
        query = (
            f"select m.id from stock_move m join production p on p.id = m.{side} where m.state = ? and p.reference = ?"
        )
        with self._books() as books:
            return [int(number) for (number,) in books.execute(f"{query} order by m.id", (state, order))]

    def dates(self, order: str) -> set[str]:
        """The posting dates of an order's done moves."""
        query = (
            "select m.effective_date from stock_move m join production p on p.id in (m.production_output, m.production_input)"
            " where m.state = 'done' and p.reference = ?"
        )
        with self._books() as books:
            return {str(day) for (day,) in books.execute(query, (order,))}

    def stock(self, code: str) -> Decimal:
        """What of a product is in places of type storage, in its own unit: all done moves in, less all out."""
        return self._sum(
            "select sum(case when t.type = 'storage' then m.internal_quantity else 0 end)"
            " - sum(case when f.type = 'storage' then m.internal_quantity else 0 end) from stock_move m"
            " join stock_location t on t.id = m.to_location join stock_location f on f.id = m.from_location"
            " join product_product p on p.id = m.product where m.state = 'done' and p.code = ?",
            (code,),
        )

    def order_state(self, order: str) -> str:
        with self._books() as books:
            [(state,)] = books.execute("select state from production where reference = ?", (order,)).fetchall()
        return str(state)

    def close_period(self, day: dt.date = dt.date(2026, 7, 31)) -> None:
        """Close the period up to the day, as a person does: Tryton keeps the stock at its end."""
        period = self._post("stock.period", {"date": to_date(day), "company": 1})["id"]
        self._post(f"stock.period/{period}/close", {})
        self._period = period

    def open_period(self) -> None:
        self.press("stock.period", self._period, "draft")

    def press(self, model: str, number: int, button: str) -> dict[str, Any]:
        """A button, as a person presses it."""
        return self._post(f"{model}/{number}/{button}", {})

    def number(self, order: str) -> int:
        """The id of an order of the first company."""
        with self._books() as books:
            query = "select id from production where reference = ? and company = 1"
            [(number,)] = books.execute(query, (order,)).fetchall()
        return int(number)

    def start_by_hand(self, order: str) -> None:
        """As a person does in Tryton: reserve the inputs, and run."""
        for button in ("assign_try", "run"):
            self.press("production", self.number(order), button)

    def scrap(self, order: str, quantity: int) -> None:
        """Scrap of an order that runs, as a person books it."""
        self.book(order, quantity, kind="lost_found")

    def book(self, order: str, quantity: float, *, kind: str = "storage", unit: str = "") -> None:
        """Pieces of an order that runs, as a person books them: an output that is carried out."""
        with self._books() as books:
            [(production, product, own_unit, location)] = books.execute(
                "select id, product, unit, location from production where id = ?", (self.number(order),)
            )
            [(place, *_)] = books.execute(
                "select id from stock_location where type = ? and (code = 'STO' or type != 'storage')", (kind,)
            )
            units = dict(books.execute("select symbol, id from product_uom").fetchall())
        entry = {
            "production_output": production, "product": product, "unit": units.get(unit, own_unit), "quantity": quantity,
            "from_location": location, "to_location": place, "company": 1,
        }  # fmt: skip
        if kind == "storage":
            entry |= {"currency": 1, "unit_price": {"__class__": "Decimal", "decimal": "0"}}
        self.press("stock.move", self._post("stock.move", entry)["id"], "do")

    def write(self, model: str, which: int | str, **values: Any) -> None:
        """Change a record, an order by its reference, as a person who saves its form."""
        number = which if isinstance(which, int) else self.number(which)
        body = {name: to_date(value) if isinstance(value, dt.date) else value for name, value in values.items()}
        self._send("PUT", f"{model}/{number}", body)

    def notes(self, order: str) -> list[str]:
        """The texts of an order's notes, the oldest first."""
        with self._books() as books:
            query = "select message from ir_note where resource = ? order by id"
            return [str(text) for (text,) in books.execute(query, (f"production,{self.number(order)}",))]

    def note(self, order: str, text: str) -> None:
        """A note on an order."""
        self._post("ir.note", {"resource": f"production,{self.number(order)}", "message": text})

    def rewrite_notes(self, text: str) -> None:
        with self._books() as books:
            books.execute("update ir_note set message = ?", (text,))

    def lots(self, order: str) -> dict[tuple[str, str], Decimal]:
        """What of each product and lot an order has moved, returns taken off."""
        query = (
            "select p.code, coalesce(l.number, ''), sum(case when (p.id = o.product) = (m.production_output is not null)"
            " then m.quantity else -m.quantity end) from stock_move m join product_product p on p.id = m.product"
            " join production o on o.id in (m.production_output, m.production_input) left join stock_lot l on l.id = m.lot"
            " where m.state = 'done' and o.reference = ? group by 1, 2"
        )
        with self._books() as books:
            return {(code, lot): Decimal(str(total)) for code, lot, total in books.execute(query, (order,))}

    def lot_count(self, code: str) -> int:
        query = "select count(*) from stock_lot l join product_product p on p.id = l.product where p.code = ?"
        return int(self._sum(query, (code,)))

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = httpx.request(
            method,
            f"{self.url}/{DATABASE}/rest/model/{path}",
            json=body,
            headers={"Authorization": f"Bearer {KEY}", "X-Tryton-Context": encoded({"company": 1})},
            timeout=60,
        )
        assert answer.is_success, answer.text
        return dict(answer.json())

    def set_key(self, state: str) -> None:
        """`cancelled` or `validated`."""
        with self._books() as books:
            books.execute("update res_user_application set state = ?", (state,))

    def _sum(self, query: str, arguments: tuple[str, ...]) -> Decimal:
        with self._books() as books:
            [(total,)] = books.execute(query, arguments).fetchall()
        return Decimal(str(total or 0))

    @contextlib.contextmanager
    def _books(self) -> Any:
        books = sqlite3.connect(self.database, timeout=60)
        try:
            with books:
                yield books
        finally:
            books.close()
