"""A real Odoo 19 for `make test-odoo`: set up headless with mrp, stock and maintenance on the tests' own PostgreSQL.

Odoo is in no registry that this project installs from: the program `odoo` must be on the PATH (a distribution's package, or a
checkout of its own). Where it is not, the tests are skipped and say so.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import httpx
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from bridge.config.settings import OdooSettings
from tests.contract.scenes import EQUIPMENT, wire
from tests.erp_process import free_port
from tests.faulty_proxy import FaultyProxy

DATABASE = "amor_odoo"
KEY = """
import datetime
user = env.ref("base.user_admin")
until = datetime.datetime.now() + datetime.timedelta(days=1)
key = env(user=user.id)["res.users.apikeys"]._generate("rpc", "amor", until)
env.cr.commit()
print("KEY=" + key)
"""


def program() -> str:
    found = shutil.which("odoo")
    if found is None:
        pytest.skip("there is no program `odoo` on the PATH: install Odoo 19 to run the contract suite against it")
    return found


class OdooServer:
    """One server for the session; each test gets orders of its own numbers from `world`."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self._program = program()
        self._folder = folder
        self.port = free_port()
        given = conninfo_to_dict(dsn)
        self._options = [
            *("-c", os.devnull),  # not what somebody works with on this machine
            *("-d", DATABASE, "--db_host", str(given["host"]), "--db_port", str(given["port"])),
            *("--db_user", str(given["user"]), "--db_password", str(given.get("password", ""))),
            *("--data-dir", str(folder / "data"), "--http-interface", "127.0.0.1", "--http-port", str(self.port)),
            *("--max-cron-threads", "0", "--log-level", "warn"),
        ]
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"drop database if exists {DATABASE} with (force)")
            connection.execute(f"create database {DATABASE} template template0 encoding 'UTF8'")
        # Without demo data, which 19 does not install unless told to; its `--without-demo` takes no list of modules any more.
        self._run(["-i", "mrp,stock,maintenance", "--no-http", "--stop-after-init"])
        self.key = self._key()
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, arguments: list[str], *, stdin: str = "", first: str = "") -> str:
        command = [self._program, *([first] if first else []), *self._options, *arguments]
        ran = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=900, check=False)
        assert ran.returncode == 0, ran.stderr[-4000:]
        return ran.stdout

    def _key(self) -> str:
        told = self._run(["--no-http"], stdin=KEY, first="shell")
        return next(line.removeprefix("KEY=") for line in told.splitlines() if line.startswith("KEY="))

    def __enter__(self) -> Self:
        log = (self._folder / "odoo.log").open("ab")
        self._process = subprocess.Popen([self._program, *self._options], stdout=log, stderr=log, env=dict(os.environ))
        for _ in range(1200):
            assert self._process.poll() is None, (self._folder / "odoo.log").read_text()[-4000:]
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                break
            time.sleep(0.1)
        self._found()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=60)

    def call(self, call: str, **body: Any) -> Any:
        headers = {"Authorization": f"bearer {self.key}", "X-Odoo-Database": DATABASE}
        answer = httpx.post(f"http://127.0.0.1:{self.port}/json/2/{call}", json=body, headers=headers, timeout=60)
        assert answer.is_success, answer.text
        return answer.json()

    def _found(self) -> None:
        """A product of one bar and one insert each, stock of both, a place where nothing is, the equipment."""
        named = (("Bearing housing L1", "HSG-L1"), ("Bar stock 60 mm", "BAR-60"), ("Cutting insert", "INS-12"))
        products = [{"name": name, "default_code": code, "type": "consu", "is_storable": True} for name, code in named]
        self._made, *used = self.call("product.product/create", vals_list=products)
        [template] = self.call("product.product/read", ids=[self._made], fields=["product_tmpl_id"])
        lines = [[0, 0, {"product_id": part, "product_qty": 1}] for part in used]
        values = {"product_tmpl_id": template["product_tmpl_id"][0], "product_qty": 1, "bom_line_ids": lines}
        [self._bom] = self.call("mrp.bom/create", vals_list=[values])
        fields = ["lot_stock_id", "view_location_id"]
        [warehouse] = self.call("stock.warehouse/search_read", domain=[], fields=fields, order="id", limit=1)
        place, above = warehouse["lot_stock_id"][0], warehouse["view_location_id"][0]
        self.call(
            "stock.location/create", vals_list=[{"name": "Quarantine", "location_id": above, "usage": "internal"}]
        )
        quants = [{"product_id": part, "location_id": place, "inventory_quantity": 5000} for part in used]
        # Outside of the inventory mode a quant's inventory_quantity is not taken for a count.
        mode = {"inventory_mode": True}
        counted = self.call("stock.quant/create", vals_list=quants, context=mode)
        self.call("stock.quant/action_apply_inventory", ids=counted, context=mode)
        self.call("maintenance.equipment/create", vals_list=[{"name": "cnc1", "serial_no": EQUIPMENT}])

    def release(self) -> None:
        """Six orders of 40 that no test before has touched; what was left of the last test's is cancelled."""
        left = self.call("mrp.production/search", domain=[["state", "not in", ["done", "cancel"]]])
        if left:
            self.call("mrp.production/action_cancel", ids=left)
        # The events of the next test have the ids of the last one's: nothing of those may be found.
        self._rename("mrp.production")
        drafts = self.call("stock.scrap/search", domain=[["state", "=", "draft"]])
        if drafts:
            self.call("stock.scrap/unlink", ids=drafts)
        self._rename("stock.scrap")
        self._rename("stock.picking")
        # What a row with an event's external id became: the same event of the next test is another one.
        known = self.call("ir.model.data/search", domain=[["name", "=like", "amor_back_%"]])
        if known:
            self.call("ir.model.data/unlink", ids=known)
        requests = self.call("maintenance.request/search", domain=[])
        if requests:
            self.call("maintenance.request/unlink", ids=requests)
        values = {"product_id": self._made, "product_qty": 40, "bom_id": self._bom}
        orders = self.call(
            "mrp.production/create", vals_list=[{**values, "origin": f"MES-{number:04}"} for number in range(1, 7)]
        )
        self.call("mrp.production/action_confirm", ids=orders)
        self.call("mrp.production/action_assign", ids=orders)

    def _rename(self, model: str) -> None:
        every = self.call(f"{model}/search", domain=[["origin", "!=", "of a test before"]])
        if every:
            self.call(f"{model}/write", ids=every, vals={"origin": "of a test before"})


class RealOdoo:
    """As the contract suite meets it, behind a proxy that fails for it."""

    stock_location = "WH/Stock"
    empty_location = "WH/Quarantine"
    not_promised: ClassVar[dict[str, str]] = {
        "test_event_of_a_closed_period_waits_for_a_person": "lock dates are of Odoo's accounting, which is not installed",
        "test_shipments_carry_aware_times_and_leave_open_what_did_not_happen": "its plant ships nothing",
    }

    def __init__(self, server: OdooServer) -> None:
        self._server, self.port = server, server.port
        self._stack = contextlib.AsyncExitStack()

    @property
    def url(self) -> str:
        return self._proxy.url

    async def __aenter__(self) -> Self:
        self._server.release()
        self._proxy = await self._stack.enter_async_context(FaultyProxy.before(self.port))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def stop(self) -> None:
        await self._stack.aclose()

    def settings(self, *, api_key: str = "", **changes: Any) -> OdooSettings:
        auth = {"type": "api_key", "key": api_key or self._server.key}
        given = {"type": "odoo19", "name": "erp", "url": self.url, "database": DATABASE, "auth": auth}
        told = {"consumed_by_events": ["INS-12"], "timeout_s": 30, "poll_s": 0.5}
        return OdooSettings.model_validate({**given, **told, **changes})

    async def cancel_by_hand(self, order: str) -> None:
        """Unbuild the newest production of an order."""
        call, domain = self._server.call, [["origin", "=", order], ["state", "=", "done"]]
        fields = ["product_id", "qty_produced"]
        [newest] = call("mrp.production/search_read", domain=domain, fields=fields, order="id desc", limit=1)
        what = {"product_id": newest["product_id"][0], "product_qty": newest["qty_produced"], "mo_id": newest["id"]}
        call("mrp.unbuild/action_unbuild", ids=call("mrp.unbuild/create", vals_list=[what]))

    async def fail(self, mode: str, *, match: str = "") -> None:
        self._proxy.fail(mode, wire(match) if match else "")

    async def good_posted(self, order: str) -> int:
        done = [["origin", "=", order], ["state", "=", "done"]]
        records = self._server.call("mrp.production/search_read", domain=done, fields=["qty_produced"])
        return int(sum(record["qty_produced"] for record in records))
