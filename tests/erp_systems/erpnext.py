"""ERPNext as the contract suite meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bridge.config.settings.erpnext import ErpNextSettings
from simulators.systems.erpnext import ErpNext as System
from simulators.systems.erpnext.system import KEY, SECRET, _entries
from tests.erp_systems.served import Served


class SimulatedErpNext(Served):
    stock_location = "Finished Goods - A"
    empty_location = "Scrap - A"

    def __init__(self, folder: Path | None = None, **system: Any) -> None:
        super().__init__(System(**system))

    def settings(self, **changes: Any) -> ErpNextSettings:
        key = f"{KEY}:{changes.pop('api_key', SECRET)}"
        given = {
            "type": "erpnext",
            "name": "erp",
            "url": self.url,
            "auth": {"type": "api_key", "prefix": "token ", "key": key},
            "order_field": "custom_order",
            "work_center_field": "custom_work_center",
            "timeout_s": 1,
            "poll_s": 0.5,
        }
        return ErpNextSettings.model_validate({**given, **changes})

    async def cancel_by_hand(self, order: str) -> None:
        """What a person does in the desk: the newest entry of good pieces is cancelled."""
        made = [row for row in _entries(self.system) if (row["work_order"], row["purpose"]) == (order, "Manufacture")]
        standing = [row["name"] for row in made if row["docstatus"] == 1]
        self.system.drafts.cancel(standing[-1], {"docstatus": 2})
