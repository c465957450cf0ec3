"""SAP S/4HANA as the contract suite meets it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from bridge.config.settings.sap_s4 import SapS4Settings
from simulators.systems.sap_s4 import SapS4 as System
from simulators.systems.sap_s4 import confirmations, movements
from simulators.systems.sap_s4.services import EQUIPMENT_NUMBERS, PLANT, STORAGE
from simulators.systems.sap_s4.system import PASSWORD, UNIT, USER
from tests.erp_systems.served import Served


class SimulatedSap(Served):
    stock_location = STORAGE
    empty_location = "171B"

    def __init__(self, folder: Path | None = None, **system: Any) -> None:
        super().__init__(System(**system))
        self.system.store.other_stock.append(movements.stock_row(self.system.store, "SCRAP-01", "171B", "", Decimal(9)))

    async def cancel_by_hand(self, order: str) -> None:
        """A person takes back the newest receipt of an order, in SAP."""
        received = [b for b in self.system.store.movements() if b.order == order and b.use == "good" and b.quantity > 0]
        movements.cancel(self.system.store, received[-1])

    async def scrap_by_hand(self, order: str, quantity: int) -> None:
        fields = {"OrderOperation": "0010", "ConfirmationUnit": UNIT}
        confirmations.enter(
            self.system.store, order, Decimal(0), Decimal(quantity), fields, reference="", posting_date=date(2026, 7, 1)
        )

    def settings(self, **changes: Any) -> SapS4Settings:
        given = {
            "type": "sap_s4",
            "name": "erp",
            "url": changes.pop("url", self.url) + "/sap/opu/odata/sap",
            "auth": {"type": "basic", "user": USER, "password": changes.pop("api_key", PASSWORD)},
            "plant": PLANT,
            "equipment_ids": {path: number for number, path in EQUIPMENT_NUMBERS.items()},
            "timeout_s": 1,
            "poll_s": 0.5,
            "update_wait_s": 0,
            "settle_s": changes.get("timeout_s", 1),  # the simulated one works at nothing that nobody waits for
        }
        return SapS4Settings.model_validate({**given, **changes})

    @staticmethod
    def preliminary(head: bytes) -> bytes | None:
        """A CSRF token and its cookie."""
        if b"x-csrf-token: fetch" not in head.lower():
            return None
        return b"HTTP/1.1 200 OK\r\nx-csrf-token: t\r\nSet-Cookie: SAP=1\r\nContent-Length: 0\r\n\r\n"
