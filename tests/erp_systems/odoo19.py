"""The simulated Odoo as the contract suite meets it, served by this process; tests/erp_process.py has it as one of its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge.config.settings import OdooSettings
from simulators.erp import trade
from simulators.erp.calls import parse_call
from simulators.erp.http import Erp, build_app
from simulators.erp.store import Store
from tests.erp_process import KEY
from tests.erp_systems.served import Served


class SimulatedOdoo(Served):
    """Six orders a line of 40 pieces each; nothing is shipped while a test runs."""

    stock_location = "WH/Stock"
    empty_location = "WH/Quarantine"

    def __init__(self, folder: Path) -> None:
        super().__init__(system=None)
        self._busy, self._idle = 0, asyncio.Event()
        folder.mkdir(parents=True, exist_ok=True)
        self._erp = Erp(
            Store(folder / "erp.sqlite", survives=False), self.failures, KEY, "acme", lambda: datetime.now(UTC)
        )
        with self._erp.store.transaction():
            trade.found(self._erp.store, 7, 6, (40, 40), datetime.now(UTC))

    def app(self) -> Any:
        app = build_app(self._erp)

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            self._busy += 1
            self._idle.clear()
            try:
                await app(scope, receive, send)
            finally:
                self._busy -= 1
                if not self._busy:
                    self._idle.set()

        return counted

    async def idle(self) -> None:
        """Until no request is worked on, whether anybody still waits for it or not."""
        await self._idle.wait()

    async def write(self, model: str, record: int, values: dict[str, Any]) -> None:
        """As a person changes a record."""
        self.write_now(model, record, values)

    def write_now(self, model: str, record: int, values: dict[str, Any], at: datetime | None = None) -> None:
        """The same; `at`: when it was."""
        with self._erp.store.transaction():
            self._erp.store.update(model, record, values, at or datetime.now(UTC))

    def call(self, call: str, **body: Any) -> Any:
        """As a person works in Odoo, who is let in without a key and never fails."""
        model, _, method = call.partition("/")
        found, asked = parse_call(self._erp.store, model, method, body, datetime.now(UTC))
        with self._erp.store.transaction():
            return found.run(asked)

    async def cancel_by_hand(self, order: str) -> None:
        """Unbuild the newest production of an order."""
        domain = [["origin", "=", order], ["state", "=", "done"]]
        newest = self.call("mrp.production/search_read", domain=domain, fields=["product_id", "qty_produced"])[-1]
        what = {"product_id": newest["product_id"][0], "product_qty": newest["qty_produced"], "mo_id": newest["id"]}
        self.call("mrp.unbuild/action_unbuild", ids=self.call("mrp.unbuild/create", vals_list=[what]))

    def add(self, model: str, values: dict[str, Any]) -> int:
        """A record that no call of ours makes."""
        with self._erp.store.transaction():
            return self._erp.store.create(model, values, datetime.now(UTC))

    def stock(self, product: int) -> float:
        """What of a product is in stock."""
        return self._erp.store.on_hand(product, 5)

    def settings(self, *, api_key: str = KEY, **changes: Any) -> OdooSettings:
        auth = {"type": "api_key", "key": api_key}
        given = {"type": "odoo19", "name": "erp", "url": self.url, "database": "acme", "auth": auth, "timeout_s": 1}
        told = {"consumed_by_events": ["INS-12"]}
        return OdooSettings.model_validate({**given, **told, "poll_s": 0.5, **changes})

    async def truth(self) -> dict[str, Any]:
        return self._erp.truth()

    async def close_period(self) -> None:
        self._erp.store.close_period()
